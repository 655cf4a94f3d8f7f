// What the venue consists of. A definition never changes once made, and numbers begin at 1.
#include <cstdlib>

#include "core/handlers.hpp"

namespace core {

namespace {


bool refuses_capacity(std::size_t count, std::uint64_t limit, Refused& refused) {
  return count >= limit && refused.because(code::CAPACITY_EXCEEDED, static_cast<Wide>(limit),
                                           static_cast<Wide>(count) + 1);
}

bool refuses_asset(const Venue& venue, const commands::CreateAsset& command, Refused& refused) {
  if (command.asset == 0 || !is_name(command.symbol)) {
    return refused.because(code::IDENTIFIER_INVALID);
  }
  if (venue.asset_numbers.contains(command.asset) ||
      venue.is_name_taken(NameOf::ASSET, command.symbol)) {
    return refused.because(code::ALREADY_EXISTS);
  }
  if (command.scale > SCALE_MAX) {
    return refused.because(code::FIELD_INVALID, SCALE_MAX, command.scale);
  }
  if (!is_amount(command.supply_max_atoms)) {
    return refused.because(code::AMOUNT_INVALID, AMOUNT_LIMIT - 1, command.supply_max_atoms);
  }
  // An instrument joins two assets, so this many can be of use.
  return refuses_capacity(venue.assets.size(),
                          std::uint64_t{2} * venue.configuration->instruments_max, refused);
}

bool refuses_instrument(const Venue& venue, const commands::CreateInstrument& command,
                        Refused& refused) {
  if (command.instrument == 0 || !is_name(command.symbol)) {
    return refused.because(code::IDENTIFIER_INVALID);
  }
  if (venue.instrument_numbers.contains(command.instrument) ||
      venue.is_name_taken(NameOf::INSTRUMENT, command.symbol)) {
    return refused.because(code::ALREADY_EXISTS);
  }
  if (!venue.asset_numbers.contains(command.base_asset) ||
      !venue.asset_numbers.contains(command.quote_asset)) {
    return refused.because(code::ASSET_UNKNOWN);
  }
  if (venue.find_fee_schedule(command.fee_schedule) == nullptr) {
    return refused.because(code::FEE_SCHEDULE_UNKNOWN);
  }
  if (command.base_asset == command.quote_asset || !is_amount(command.lot_atoms) ||
      !is_amount(command.tick_lot_atoms) || !is_amount(command.tick_units) ||
      !is_amount(command.lot_units) || command.price_decimals > SCALE_MAX ||
      command.quantity_decimals > SCALE_MAX) {
    return refused.because(code::FIELD_INVALID);
  }
  return refuses_capacity(venue.instruments.size(), venue.configuration->instruments_max,
                          refused);
}

bool refuses_firm(const Venue& venue, const commands::CreateFirm& command, Refused& refused) {
  if (command.firm == 0 || !is_name(command.name)) {
    return refused.because(code::IDENTIFIER_INVALID);
  }
  if (venue.firm_numbers.contains(command.firm) ||
      venue.is_name_taken(NameOf::FIRM, command.name)) {
    return refused.because(code::ALREADY_EXISTS);
  }
  // A firm is of use with an account or with a session of its own.
  return refuses_capacity(
      venue.firms.size(),
      std::uint64_t{venue.configuration->accounts_max} + venue.configuration->sessions_max,
      refused);
}

bool refuses_account(const Venue& venue, const commands::CreateAccount& command,
                     Refused& refused) {
  if (command.account == 0 || !is_name(command.name)) {
    return refused.because(code::IDENTIFIER_INVALID);
  }
  if (venue.account_numbers.contains(command.account) ||
      venue.is_name_taken(NameOf::ACCOUNT, command.name)) {
    return refused.because(code::ALREADY_EXISTS);
  }
  if (!venue.firm_numbers.contains(command.firm)) {
    return refused.because(code::FIRM_UNKNOWN);
  }
  const bool is_kind_known = command.account_kind == account_kind::CLIENT ||
                             command.account_kind == account_kind::HOUSE;
  if (!is_kind_known || command.self_trade_prevention < self_trade::CANCEL_RESTING ||
      command.self_trade_prevention > self_trade::DECREMENT_AND_CANCEL) {
    return refused.because(code::FIELD_INVALID);
  }
  return refuses_capacity(venue.accounts.size(), venue.configuration->accounts_max, refused);
}

bool refuses_fee_schedule(const Venue& venue, const commands::DefineFeeSchedule& command,
                          Refused& refused) {
  if (command.fee_schedule == 0) {
    return refused.because(code::IDENTIFIER_INVALID);
  }
  if (venue.find_fee_schedule(command.fee_schedule) != nullptr) {
    return refused.because(code::ALREADY_EXISTS);
  }
  const std::int64_t largest = std::max(std::abs(std::int64_t{command.maker_ppm}),
                                        std::abs(std::int64_t{command.taker_ppm}));
  if (largest > PPM) {
    return refused.because(code::FIELD_INVALID, PPM, largest);
  }
  const RateExtremes rates = extremes_with(venue, command.maker_ppm, command.taker_ppm);
  if (refuses_rebate(rates, refused)) {
    return true;
  }
  return refuses_capacity(
      venue.fee_schedules.size(),
      std::uint64_t{venue.configuration->accounts_max} + venue.configuration->instruments_max,
      refused);
}

}  // namespace

void configure_venue(Venue& venue, const commands::ConfigureVenue& command) {
  Refused refused;
  if (refuses_configuration(command, refused)) {
    reject_command(venue, command, refused, 0);
    return;
  }
  venue.configuration = Configuration{
      .client_ids_max = command.client_ids_max,
      .references_max = command.references_max,
      .open_orders_max = command.open_orders_max,
      .accounts_max = command.accounts_max,
      .instruments_max = command.instruments_max,
      .sessions_max = command.sessions_max,
      .client_id_window_ns = command.client_id_window_ns,
      .indicative_interval_ns = command.indicative_interval_ns,
      .day_offset_ns = command.day_offset_ns,
  };
  auto& event = venue.events.emit_zeroed<events::VenueConfigured>();
  event.client_ids_max = command.client_ids_max;
  event.references_max = command.references_max;
  event.open_orders_max = command.open_orders_max;
  event.accounts_max = command.accounts_max;
  event.instruments_max = command.instruments_max;
  event.sessions_max = command.sessions_max;
  event.client_id_window_ns = command.client_id_window_ns;
  event.indicative_interval_ns = command.indicative_interval_ns;
  event.day_offset_ns = command.day_offset_ns;
  event.operator_ = command.operator_;
  event.approver = command.approver;
}

void create_asset(Venue& venue, const commands::CreateAsset& command) {
  Refused refused;
  if (refuses_asset(venue, command, refused)) {
    reject_command(venue, command, refused, command.asset);
    return;
  }
  venue.take_name(NameOf::ASSET, command.symbol);
  venue.asset_numbers.set(command.asset, static_cast<std::uint32_t>(venue.assets.size()));
  venue.assets.push_back({.number = command.asset,
                          .scale = command.scale,
                          .supply_max_atoms = command.supply_max_atoms,
                          .supply_atoms = 0,
                          .fees_atoms = 0,
                          .credit_lines_atoms = 0,
                          .symbol = command.symbol});
  auto& event = venue.events.emit_zeroed<events::AssetCreated>();
  event.asset = command.asset;
  event.scale = command.scale;
  event.supply_max_atoms = command.supply_max_atoms;
  event.symbol = command.symbol;
}

void create_instrument(Venue& venue, const commands::CreateInstrument& command) {
  Refused refused;
  if (refuses_instrument(venue, command, refused)) {
    reject_command(venue, command, refused, command.instrument);
    return;
  }
  venue.take_name(NameOf::INSTRUMENT, command.symbol);
  const Instrument& instrument = add_instrument(venue, command);
  fill_instrument(venue.events.emit<events::InstrumentCreated>(), venue, instrument);
}

void create_firm(Venue& venue, const commands::CreateFirm& command) {
  Refused refused;
  if (refuses_firm(venue, command, refused)) {
    reject_command(venue, command, refused, command.firm);
    return;
  }
  venue.take_name(NameOf::FIRM, command.name);
  venue.firm_numbers.set(command.firm, static_cast<std::uint32_t>(venue.firms.size()));
  venue.firms.push_back({command.firm, false, command.name});
  auto& event = venue.events.emit_zeroed<events::FirmCreated>();
  event.firm = command.firm;
  event.name = command.name;
}

void create_account(Venue& venue, const commands::CreateAccount& command) {
  Refused refused;
  if (refuses_account(venue, command, refused)) {
    reject_command(venue, command, refused, command.account);
    return;
  }
  Account account{};
  account.number = command.account;
  account.firm = venue.firm_numbers.find(command.firm);
  account.owner_group = command.owner_group;
  account.group = command.owner_group != 0 ? std::int64_t{command.owner_group}
                                           : -std::int64_t{command.account};
  account.kind = command.account_kind;
  account.self_trade_prevention = command.self_trade_prevention;
  account.name = command.name;
  venue.take_name(NameOf::ACCOUNT, command.name);
  venue.account_numbers.set(command.account, static_cast<std::uint32_t>(venue.accounts.size()));
  venue.accounts.push_back(std::move(account));
  auto& event = venue.events.emit_zeroed<events::AccountCreated>();
  event.account = command.account;
  event.firm = command.firm;
  event.owner_group = command.owner_group;
  event.account_kind = command.account_kind;
  event.self_trade_prevention = command.self_trade_prevention;
  event.name = command.name;
}

void define_fee_schedule(Venue& venue, const commands::DefineFeeSchedule& command) {
  Refused refused;
  if (refuses_fee_schedule(venue, command, refused)) {
    reject_command(venue, command, refused, command.fee_schedule);
    return;
  }
  venue.fee_schedule_numbers.set(command.fee_schedule,
                                 static_cast<std::uint32_t>(venue.fee_schedules.size()));
  venue.fee_schedules.push_back({command.fee_schedule, command.maker_ppm, command.taker_ppm});
  auto& event = venue.events.emit_zeroed<events::FeeScheduleDefined>();
  event.fee_schedule = command.fee_schedule;
  event.maker_ppm = command.maker_ppm;
  event.taker_ppm = command.taker_ppm;
  event.operator_ = command.operator_;
  event.approver = command.approver;
}

RateExtremes extremes_with(const Venue& venue, std::int32_t maker_ppm,
                           std::int32_t taker_ppm) noexcept {
  RateExtremes lowest{maker_ppm, taker_ppm};
  for (const FeeSchedule& schedule : venue.fee_schedules) {
    lowest.maker_ppm = std::min(lowest.maker_ppm, schedule.maker_ppm);
    lowest.taker_ppm = std::min(lowest.taker_ppm, schedule.taker_ppm);
  }
  return lowest;
}

bool refuses_rebate(const RateExtremes& lowest, Refused& refused) noexcept {
  return -lowest.maker_ppm > lowest.taker_ppm &&
         refused.because(code::REBATE_ABOVE_FEE, lowest.taker_ppm, -lowest.maker_ppm);
}

void assign_schedule(Account& account, std::uint32_t instrument, std::uint32_t fee_schedule) {
  auto& assignments = account.assignments;
  const auto at = std::lower_bound(
      assignments.begin(), assignments.end(), instrument,
      [](const Assignment& each, std::uint32_t wanted) { return each.instrument < wanted; });
  if (at != assignments.end() && at->instrument == instrument) {
    at->fee_schedule = fee_schedule;
  } else {
    assignments.insert(at, {instrument, fee_schedule});
  }
}

void assign_fee_schedule(Venue& venue, const commands::AssignFeeSchedule& command) {
  const std::uint32_t account = venue.find_account(command.account);
  Refused refused;
  const bool is_refused =
      account == NONE ? refused.because(code::ACCOUNT_UNKNOWN)
      : command.instrument != 0 && venue.find_instrument(command.instrument) == nullptr
          ? refused.because(code::INSTRUMENT_UNKNOWN)
      : venue.find_fee_schedule(command.fee_schedule) == nullptr
          ? refused.because(code::FEE_SCHEDULE_UNKNOWN)
          : false;
  if (is_refused) {
    reject_command(venue, command, refused, command.fee_schedule);
    return;
  }
  assign_schedule(venue.accounts[account], command.instrument, command.fee_schedule);
  auto& event = venue.events.emit_zeroed<events::FeeScheduleAssigned>();
  event.account = command.account;
  event.instrument = command.instrument;
  event.fee_schedule = command.fee_schedule;
  event.operator_ = command.operator_;
  event.approver = command.approver;
}

}  // namespace core
