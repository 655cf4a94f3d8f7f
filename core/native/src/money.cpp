// Money that enters and leaves: each reference is honoured once, for ever.
#include "core/money.hpp"

namespace core {

namespace {

// What changed: how much was asked for, and what was added to the balance.
struct Change {
  std::uint8_t cause;
  std::int64_t amount_atoms;
  std::int64_t change_atoms;
};

template <class Command>
void say(Venue& venue, const Command& command, std::uint32_t account, std::uint32_t asset,
         const Change& change) {
  const Balance balance = venue.balance(account, asset);
  auto& event = venue.events.emit_zeroed<events::BalanceChanged>();
  event.account = venue.accounts[account].number;
  event.asset = venue.assets[asset].number;
  event.cause = change.cause;
  event.amount_atoms = change.amount_atoms;
  event.change_atoms = change.change_atoms;
  event.balance_atoms = balance.balance_atoms;
  event.held_atoms = balance.held_atoms;
  event.operator_ = command.operator_;
  event.approver = command.approver;
  event.reference = command.reference;
}

// Take a withdrawal out and free its hold; refuse when there is none by that reference.
template <class Command>
bool end_withdrawal(Venue& venue, const Command& command, Withdrawal& withdrawal) {
  const Reference key = key_of(command.reference);
  const auto found = venue.withdrawals.find(key);
  const bool is_found = found != venue.withdrawals.end();
  if (!is_found || (command.account != 0 &&
                    command.account != venue.accounts[found->second.account].number)) {
    const auto reference = venue.references.find(key);
    const bool was_withdrawal =
        !is_found && reference != venue.references.end() && reference->second;
    Refused refused;
    refused.because(was_withdrawal ? code::DUPLICATE_REFERENCE : code::WITHDRAWAL_UNKNOWN);
    reject_command(venue, command, refused, 0, command.reference);
    return false;
  }
  withdrawal = found->second;
  venue.withdrawals.erase(found);
  venue.balance(withdrawal.account, withdrawal.asset).held_atoms -= withdrawal.amount_atoms;
  return true;
}

// Whether an asset's supply may not grow by so much.
template <class Command>
bool refuses_supply(const Venue& venue, const Command& command, Refused& refused) {
  const Asset& asset = venue.assets[venue.asset_numbers.find(command.asset)];
  const Wide usage = Wide{asset.supply_atoms} + command.amount_atoms;
  return usage > asset.supply_max_atoms &&
         refused.because(code::SUPPLY_EXCEEDED, asset.supply_max_atoms, usage);
}

// Add to a balance and to the asset's supply, and say so.
template <class Command>
void move(Venue& venue, const Command& command, std::uint8_t cause, std::int64_t change_atoms) {
  venue.references.emplace(key_of(command.reference), false);
  const std::uint32_t account = venue.find_account(command.account);
  const std::uint32_t asset = venue.asset_numbers.find(command.asset);
  venue.assets[asset].supply_atoms += change_atoms;
  venue.balance(account, asset).balance_atoms += change_atoms;
  say(venue, command, account, asset, {cause, command.amount_atoms, change_atoms});
}

}  // namespace

void credit(Venue& venue, const commands::Credit& command) {
  Refused refused;
  if (refuses_amount(venue, command, refused) || refuses_supply(venue, command, refused)) {
    reject_command(venue, command, refused, command.asset, command.reference);
    return;
  }
  move(venue, command, balance_cause::CREDIT, command.amount_atoms);
}

void debit(Venue& venue, const commands::Debit& command) {
  Refused refused;
  if (refuses_amount(venue, command, refused) || refuses_free(venue, command, refused)) {
    reject_command(venue, command, refused, command.asset, command.reference);
    return;
  }
  move(venue, command, balance_cause::DEBIT, -command.amount_atoms);
}

void adjust_balance(Venue& venue, const commands::AdjustBalance& command) {
  Refused refused;
  const std::uint8_t cause = command.cause;
  const bool is_given =
      cause == balance_cause::REWARD || cause == balance_cause::ADJUSTMENT_CREDIT;
  bool is_refused = refuses_amount(venue, command, refused) ||
                    refuses_approval(command.operator_, command.approver, refused);
  if (!is_refused && !is_given && cause != balance_cause::ADJUSTMENT_DEBIT) {
    is_refused = refused.because(code::ADJUSTMENT_CAUSE_INVALID,
                                 balance_cause::ADJUSTMENT_DEBIT, cause);
  }
  if (is_refused || (is_given ? refuses_supply(venue, command, refused)
                              : refuses_free(venue, command, refused))) {
    reject_command(venue, command, refused, command.asset, command.reference);
    return;
  }
  move(venue, command, cause, is_given ? command.amount_atoms : -command.amount_atoms);
}

void reserve_withdrawal(Venue& venue, const commands::ReserveWithdrawal& command) {
  Refused refused;
  if (refuses_amount(venue, command, refused) || refuses_free(venue, command, refused)) {
    reject_command(venue, command, refused, command.asset, command.reference);
    return;
  }
  const Reference key = key_of(command.reference);
  venue.references.emplace(key, true);
  const std::uint32_t account = venue.find_account(command.account);
  const std::uint32_t asset = venue.asset_numbers.find(command.asset);
  venue.withdrawals[key] = {account, asset, command.amount_atoms};
  venue.balance(account, asset).held_atoms += command.amount_atoms;
  say(venue, command, account, asset,
      {balance_cause::WITHDRAWAL_RESERVED, command.amount_atoms, 0});
}

void commit_withdrawal(Venue& venue, const commands::CommitWithdrawal& command) {
  Withdrawal withdrawal{};
  if (!end_withdrawal(venue, command, withdrawal)) {
    return;
  }
  const std::int64_t amount_atoms = withdrawal.amount_atoms;
  venue.balance(withdrawal.account, withdrawal.asset).balance_atoms -= amount_atoms;
  venue.assets[withdrawal.asset].supply_atoms -= amount_atoms;
  say(venue, command, withdrawal.account, withdrawal.asset,
      {balance_cause::WITHDRAWAL_COMMITTED, amount_atoms, -amount_atoms});
}

void release_withdrawal(Venue& venue, const commands::ReleaseWithdrawal& command) {
  Withdrawal withdrawal{};
  if (!end_withdrawal(venue, command, withdrawal)) {
    return;
  }
  say(venue, command, withdrawal.account, withdrawal.asset,
      {balance_cause::WITHDRAWAL_RELEASED, withdrawal.amount_atoms, 0});
}

}  // namespace core
