// Market-maker protection: what a group of quotes trades in a rolling window, and its freeze.
#include "core/handlers.hpp"

namespace core {

namespace {

void schedule_thaw(Venue& venue, Protection& protection) {
  if (protection.frozen_until_ns != 0) {
    const std::uint32_t account = venue.accounts[protection.account].number;
    venue.deadlines.insert(
        {protection.frozen_until_ns, Deadline::PROTECTION_THAW,
         Protections::number_among_all(account, protection.number)});
  }
}

void lift_freeze(Venue& venue, Protection& protection) {
  if (protection.frozen_until_ns != 0) {
    const std::uint32_t account = venue.accounts[protection.account].number;
    venue.deadlines.erase({protection.frozen_until_ns, Deadline::PROTECTION_THAW,
                           Protections::number_among_all(account, protection.number)});
  }
  protection.is_frozen = false;
  protection.frozen_until_ns = 0;
}

void trigger(Venue& venue, std::uint32_t order_index, std::uint32_t group,
             const Reached& reached) {
  Protection& protection = venue.protections[group];
  protection.begin_anew();
  protection.is_frozen = true;
  protection.frozen_until_ns =
      protection.frozen_ns == 0 ? 0 : saturating_add(venue.last_time_ns, protection.frozen_ns);
  schedule_thaw(venue, protection);
  std::vector<std::uint32_t> sides;
  each_open_order(venue.accounts[protection.account], [&](std::uint32_t index) {
    if (venue.orders.hot(index).is_quoted() && venue.orders.quoted(index).protection == group) {
      sides.push_back(index);
    }
  });
  const std::uint32_t cancelled =
      cancel_all(venue, std::move(sides), cancel_reason::PROTECTION);
  const ColdOrder& cold = venue.orders.cold(order_index);
  auto& event = venue.events.emit_zeroed<events::ProtectionTriggered>();
  event.account = venue.accounts[protection.account].number;
  event.session = cold.session;
  event.connection = cold.connection;
  event.protection_group = protection.number;
  event.reached = reached.which;
  event.cancelled = cancelled;
  event.limit = reached.limit;
  event.usage = clipped(reached.usage);
  event.frozen_until_ns = protection.frozen_until_ns;
}

bool refuses_definition(Venue& venue, const commands::DefineProtection& command,
                        std::uint32_t account, std::uint32_t known, Refused& refused) {
  if (account == NONE) {
    return refused.because(code::ACCOUNT_UNKNOWN);
  }
  if (command.protection_group == 0) {
    return refused.because(code::IDENTIFIER_INVALID);
  }
  if (!venue.asset_numbers.contains(command.base_asset) ||
      (command.quote_asset != 0 && !venue.asset_numbers.contains(command.quote_asset))) {
    return refused.because(code::ASSET_UNKNOWN);
  }
  if (refuses_protection_limits(command, refused)) {
    return true;
  }
  if (known == 0) {
    const std::size_t count = venue.accounts[account].protections.size();
    return count >= PROTECTIONS_OF_ACCOUNT_MAX &&
           refused.because(code::CAPACITY_EXCEEDED, PROTECTIONS_OF_ACCOUNT_MAX,
                           static_cast<Wide>(count) + 1);
  }
  const Protection& protection = venue.protections[known];
  return (protection.base_asset != command.base_asset ||
          protection.quote_asset != command.quote_asset) &&
         refused.because(code::PROTECTION_ASSETS_DIFFER, protection.base_asset,
                         command.base_asset);
}

void report(Venue& venue, const commands::QueryProtection& command, std::uint32_t group,
            std::size_t left) {
  Protection& protection = venue.protections[group];
  protection.forget(venue.last_time_ns);
  auto& event = venue.events.emit_zeroed<events::ProtectionReported>();
  event.account = command.account;
  event.session = command.session;
  event.connection = command.connection;
  event.protection_group = protection.number;
  event.base_asset = protection.base_asset;
  event.quote_asset = protection.quote_asset;
  event.is_frozen = protection.is_frozen ? 1 : 0;
  event.left = static_cast<std::uint16_t>(left);
  event.trades = static_cast<std::uint32_t>(protection.fills.size());
  event.trades_max = protection.trades_max;
  event.quantity_atoms = clipped(protection.quantity_atoms);
  event.quantity_max_atoms = protection.quantity_max_atoms;
  event.notional_atoms = clipped(protection.notional_atoms);
  event.notional_max_atoms = protection.notional_max_atoms;
  event.delta_atoms = clipped(protection.delta_atoms);
  event.delta_max_atoms = protection.delta_max_atoms;
  event.window_ns = protection.window_ns;
  event.frozen_until_ns = protection.frozen_until_ns;
  event.request_id = command.request_id;
}

bool refuses_unknown(std::uint32_t number, Refused& refused) {
  return refused.because(code::PROTECTION_UNKNOWN, 0, number);
}

}  // namespace

bool refuses_protection(const Venue& venue, std::uint32_t account_number, std::uint32_t group,
                        const Instrument& instrument, Refused& refused) {
  if (group == 0) {
    return false;
  }
  const std::uint32_t index = venue.protections.find(account_number, group);
  if (index == 0) {
    return refuses_unknown(group, refused);
  }
  const Protection& protection = venue.protections[index];
  const std::uint32_t base = venue.assets[instrument.base_asset].number;
  const std::uint32_t quote = venue.assets[instrument.quote_asset].number;
  if (protection.base_asset != base) {
    return refused.because(code::PROTECTION_ASSETS_DIFFER, protection.base_asset, base);
  }
  if (protection.quote_asset != 0 && protection.quote_asset != quote) {
    return refused.because(code::PROTECTION_ASSETS_DIFFER, protection.quote_asset, quote);
  }
  return protection.is_frozen &&
         refused.because(code::PROTECTION_FROZEN, protection.frozen_until_ns, group);
}

void count_fill(Venue& venue, std::uint32_t index, std::int64_t base_atoms,
                std::int64_t notional_atoms) {
  const HotOrder& order = venue.orders.hot(index);
  const std::uint32_t group = order.is_quoted() ? venue.orders.quoted(index).protection : 0;
  if (group == 0) {
    return;
  }
  Protection& protection = venue.protections[group];
  protection.forget(venue.last_time_ns);
  protection.add({venue.last_time_ns, order.is_buy() ? base_atoms : -base_atoms, notional_atoms});
  if (const Reached reached = protection.reached(); reached.which != 0) [[unlikely]] {
    trigger(venue, index, group, reached);
  }
}

void thaw(Venue& venue, std::uint64_t number_among_all) {
  const auto account = static_cast<std::uint32_t>(number_among_all >> 32);
  const auto number = static_cast<std::uint32_t>(number_among_all);
  Protection& protection = venue.protections[venue.protections.find(account, number)];
  protection.is_frozen = false;
  protection.frozen_until_ns = 0;
  protection.begin_anew();
  auto& event = venue.events.emit_zeroed<events::ProtectionReset>();
  event.account = account;
  event.protection_group = number;
  event.cause = thaw_cause::TIME;
  event.was_frozen = 1;
}

void define_protection(Venue& venue, const commands::DefineProtection& command) {
  const std::uint32_t account = venue.find_account(command.account);
  std::uint32_t index = venue.protections.find(command.account, command.protection_group);
  Refused refused;
  if (refuses_definition(venue, command, account, index, refused)) {
    reject_command(venue, command, refused, command.protection_group);
    return;
  }
  if (index == 0) {
    index = add_protection(venue, command, account);
  }
  Protection& protection = venue.protections[index];
  lift_freeze(venue, protection);
  protection.begin_anew();
  protection.quantity_max_atoms = command.quantity_max_atoms;
  protection.notional_max_atoms = command.notional_max_atoms;
  protection.delta_max_atoms = command.delta_max_atoms;
  protection.trades_max =
      command.trades_max != 0 ? command.trades_max : PROTECTION_TRADES_MAX;
  protection.window_ns = command.window_ns;
  protection.frozen_ns = command.frozen_ns;
  auto& event = venue.events.emit_zeroed<events::ProtectionDefined>();
  fill_protection(event, venue, protection);
  event.operator_ = command.operator_;
  event.approver = command.approver;
}

void reset_protection(Venue& venue, const commands::ResetProtection& command) {
  const std::uint32_t account = venue.find_account(command.account);
  const std::uint32_t index =
      venue.protections.find(command.account, command.protection_group);
  Refused refused;
  Session* session = nullptr;
  if (refuses_session(venue, command, account, session, refused) ||
      (index == 0 && refuses_unknown(command.protection_group, refused))) {
    reject_quoting(venue, command, refused);
    return;
  }
  Protection& protection = venue.protections[index];
  const bool was_frozen = protection.is_frozen;
  lift_freeze(venue, protection);
  protection.begin_anew();
  auto& event = venue.events.emit_zeroed<events::ProtectionReset>();
  event.account = command.account;
  event.session = command.session;
  event.connection = command.connection;
  event.protection_group = protection.number;
  event.cause = thaw_cause::REQUESTED;
  event.was_frozen = was_frozen ? 1 : 0;
  event.request_id = command.request_id;
}

void query_protection(Venue& venue, const commands::QueryProtection& command) {
  const std::uint32_t account = venue.find_account(command.account);
  const std::uint32_t index =
      venue.protections.find(command.account, command.protection_group);
  Refused refused;
  Session* session = nullptr;
  bool is_refused = refuses_session(venue, command, account, session, refused);
  if (!is_refused) {
    const bool is_found = command.protection_group == 0
                              ? !venue.accounts[account].protections.empty()
                              : index != 0;
    is_refused = !is_found && refuses_unknown(command.protection_group, refused);
  }
  if (is_refused) {
    reject_quoting(venue, command, refused);
    return;
  }
  if (command.protection_group != 0) {
    report(venue, command, index, 0);
    return;
  }
  const std::vector<std::uint32_t>& all = venue.accounts[account].protections;
  for (std::size_t place = 0; place < all.size(); ++place) {
    report(venue, command, all[place], all.size() - place - 1);
  }
}

}  // namespace core
