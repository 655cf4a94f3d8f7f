// What money commands share: amounts, references, and what accounts owe the venue.
#pragma once

#include "core/handlers.hpp"

namespace core {

[[nodiscard]] inline Reference key_of(const Text<40>& reference) {
  return Reference(reference.data(), 40);
}

// Whether a reference is malformed or not new, or cannot be remembered.
[[nodiscard]] bool refuses_reference(const Venue& venue, const Text<40>& reference,
                                     Refused& refused);

// Whether not two operators stand behind a command.
[[nodiscard]] bool refuses_approval(std::uint32_t operator_number, std::uint32_t approver_number,
                                    Refused& refused) noexcept;

// How many assets an account owes the venue something of since a bust.
[[nodiscard]] std::uint32_t owed_assets(const Venue& venue, const Account& account) noexcept;

template <class Command>
[[nodiscard]] bool refuses_amount(Venue& venue, const Command& command, Refused& refused) {
  if (venue.find_account(command.account) == NONE) {
    return refused.because(code::ACCOUNT_UNKNOWN);
  }
  if (!venue.asset_numbers.contains(command.asset)) {
    return refused.because(code::ASSET_UNKNOWN);
  }
  if (!is_amount(command.amount_atoms)) {
    return refused.because(code::AMOUNT_INVALID, AMOUNT_LIMIT - 1, command.amount_atoms);
  }
  return refuses_reference(venue, command.reference, refused);
}

// Whether an account may not give so much away: its own, free, and nothing while it owes.
template <class Command>
[[nodiscard]] bool refuses_free(Venue& venue, const Command& command, Refused& refused) {
  const std::uint32_t account = venue.find_account(command.account);
  if (const std::uint32_t owed = owed_assets(venue, venue.accounts[account]); owed != 0) {
    return refused.because(code::RECEIVABLE_OUTSTANDING, 0, owed);
  }
  const std::int64_t free_atoms =
      venue.balance(account, venue.asset_numbers.find(command.asset)).free_atoms();
  return command.amount_atoms > free_atoms &&
         refused.because(code::INSUFFICIENT_FUNDS, free_atoms, command.amount_atoms);
}

// Lend an account so much of an asset, or take it back when negative, and say so.
template <class Command>
void change_receivable(Venue& venue, const Command& command, std::uint32_t account,
                       std::uint32_t asset, std::int64_t change_atoms) {
  Balance& balance = venue.balance(account, asset);
  balance.balance_atoms += change_atoms;
  balance.receivable_atoms += change_atoms;
  venue.assets[asset].receivable_atoms += change_atoms;
  auto& event = venue.events.emit_zeroed<events::ReceivableChanged>();
  event.account = venue.accounts[account].number;
  event.asset = venue.assets[asset].number;
  event.change_atoms = change_atoms;
  event.receivable_atoms = balance.receivable_atoms;
  event.balance_atoms = balance.balance_atoms;
  event.held_atoms = balance.held_atoms;
  event.operator_ = command.operator_;
  event.approver = command.approver;
  event.reference = command.reference;
}

}  // namespace core
