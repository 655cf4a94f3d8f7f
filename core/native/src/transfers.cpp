// Money between accounts of one firm, and what accounts pay back to the venue.
#include "core/money.hpp"

namespace core {

bool refuses_reference(const Venue& venue, const Text<40>& reference, Refused& refused) {
  if (!is_client_id(reference)) {
    return refused.because(code::REFERENCE_INVALID);
  }
  if (venue.references.contains(key_of(reference))) {
    return refused.because(code::DUPLICATE_REFERENCE);
  }
  const std::uint32_t limit = venue.configuration->references_max;
  return venue.references.size() >= limit &&
         refused.because(code::REFERENCE_MEMORY_FULL, limit,
                         static_cast<Wide>(venue.references.size()) + 1);
}

bool refuses_approval(std::uint32_t operator_number, std::uint32_t approver_number,
                      Refused& refused) noexcept {
  const bool are_two = operator_number != 0 && approver_number != 0 &&
                       operator_number != approver_number;
  return !are_two && refused.because(code::APPROVAL_MISSING, operator_number, approver_number);
}

std::uint32_t owed_assets(const Venue& venue, const Account& account) noexcept {
  std::uint32_t owed = 0;
  for (const std::uint32_t index : account.balances) {
    owed += static_cast<std::uint32_t>(venue.balances[index].receivable_atoms != 0);
  }
  return owed;
}

namespace {

// Whether the session may not trade for both accounts, or no two operators agree.
bool refuses_transfer_asker(Venue& venue, const commands::TransferFunds& command, Refused& refused) {
  const std::uint32_t to_account = venue.find_account(command.to_account);
  if (to_account == NONE) {
    return refused.because(code::ACCOUNT_UNKNOWN);
  }
  if (command.session == 0) {
    return refuses_approval(command.operator_, command.approver, refused);
  }
  const Session* session = venue.find_session(command.session);
  if (session == nullptr) {
    return refused.because(code::SESSION_NOT_ENTITLED);
  }
  for (const std::uint32_t account : {command.account, command.to_account}) {
    if (refuses_access(session->rights_on(account), session->connection, command.connection,
                       refused)) {
      return true;
    }
  }
  return false;
}

bool refuses_transfer_target(const Venue& venue, const commands::TransferFunds& command,
                    Refused& refused) {
  if (command.account == command.to_account) {
    return refused.because(code::TRANSFER_TO_ITSELF, 0, command.to_account);
  }
  const Account& account = venue.accounts[venue.find_account(command.account)];
  const Account& to_account = venue.accounts[venue.find_account(command.to_account)];
  return account.firm != to_account.firm &&
         refused.because(code::FIRMS_DIFFER, venue.firms[account.firm].number,
                         venue.firms[to_account.firm].number);
}

bool refuses_settlement(Venue& venue, const commands::SettleReceivable& command,
                        Refused& refused) {
  if (refuses_amount(venue, command, refused) ||
      refuses_approval(command.operator_, command.approver, refused)) {
    return true;
  }
  const Balance& balance = venue.balance(venue.find_account(command.account),
                                         venue.asset_numbers.find(command.asset));
  if (command.amount_atoms > balance.receivable_atoms) {
    return refused.because(code::RECEIVABLE_OVERPAID, balance.receivable_atoms,
                           command.amount_atoms);
  }
  return command.amount_atoms > balance.free_atoms() &&
         refused.because(code::INSUFFICIENT_FUNDS, balance.free_atoms(), command.amount_atoms);
}

}  // namespace

void transfer_funds(Venue& venue, const commands::TransferFunds& command) {
  Refused refused;
  if (refuses_amount(venue, command, refused) || refuses_transfer_asker(venue, command, refused) ||
      refuses_transfer_target(venue, command, refused) || refuses_free(venue, command, refused)) {
    reject_command(venue, command, refused, command.asset, command.reference);
    return;
  }
  venue.references.emplace(key_of(command.reference), false);
  const std::uint32_t asset = venue.asset_numbers.find(command.asset);
  const std::uint32_t from = venue.balance_index(venue.find_account(command.account), asset);
  const std::uint32_t to = venue.balance_index(venue.find_account(command.to_account), asset);
  Balance& balance = venue.balances[from];
  Balance& to_balance = venue.balances[to];
  balance.balance_atoms -= command.amount_atoms;
  to_balance.balance_atoms += command.amount_atoms;
  auto& event = venue.events.emit_zeroed<events::FundsTransferred>();
  event.account = command.account;
  event.to_account = command.to_account;
  event.asset = command.asset;
  event.session = command.session;
  event.amount_atoms = command.amount_atoms;
  event.balance_atoms = balance.balance_atoms;
  event.held_atoms = balance.held_atoms;
  event.to_balance_atoms = to_balance.balance_atoms;
  event.to_held_atoms = to_balance.held_atoms;
  event.operator_ = command.operator_;
  event.approver = command.approver;
  event.reference = command.reference;
}

void settle_receivable(Venue& venue, const commands::SettleReceivable& command) {
  Refused refused;
  if (refuses_settlement(venue, command, refused)) {
    reject_command(venue, command, refused, command.asset, command.reference);
    return;
  }
  venue.references.emplace(key_of(command.reference), false);
  change_receivable(venue, command, venue.find_account(command.account),
                    venue.asset_numbers.find(command.asset), -command.amount_atoms);
}

}  // namespace core
