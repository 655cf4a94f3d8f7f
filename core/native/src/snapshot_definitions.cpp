// A snapshot's assets, instruments, accounts and sessions, and the money in them.
#include <algorithm>
#include <cstring>
#include <vector>

#include "core/handlers.hpp"
#include "core/snapshot_reader.hpp"

namespace core {

bool SnapshotReader::read(const state::AssetRecord& record) {
  Venue& venue = *venue_;
  if (!venue.configuration || venue.asset_numbers.contains(record.asset) ||
      !venue.take_name(NameOf::ASSET, record.symbol)) {
    return fail("the snapshot has an asset twice, or before its configuration");
  }
  venue.asset_numbers.set(record.asset, static_cast<std::uint32_t>(venue.assets.size()));
  venue.assets.push_back({.number = record.asset,
                          .scale = record.scale,
                          .supply_max_atoms = record.supply_max_atoms,
                          .supply_atoms = record.supply_atoms,
                          .fees_atoms = record.fees_atoms,
                          .credit_lines_atoms = 0,
                          .symbol = record.symbol});
  return require(record.asset != 0 && is_name(record.symbol) && record.scale <= SCALE_MAX &&
                     is_amount(record.supply_max_atoms) &&
                     record.supply_atoms > -AMOUNT_LIMIT &&  // what is lent may leave, too
                     record.supply_atoms <= record.supply_max_atoms &&
                     is_bound(record.fees_atoms),
                 "the snapshot has an asset out of range");
}

bool SnapshotReader::read(const state::FeeScheduleRecord& record) {
  Venue& venue = *venue_;
  if (!venue.configuration || venue.find_fee_schedule(record.fee_schedule) != nullptr) {
    return fail("the snapshot has a fee schedule twice, or before its configuration");
  }
  venue.fee_schedule_numbers.set(record.fee_schedule,
                                 static_cast<std::uint32_t>(venue.fee_schedules.size()));
  venue.fee_schedules.push_back({record.fee_schedule, record.maker_ppm, record.taker_ppm});
  return require(record.fee_schedule != 0 && is_rate(record.maker_ppm) &&
                     is_rate(record.taker_ppm),
                 "the snapshot has a fee schedule out of range");
}

bool SnapshotReader::read(const state::FirmRecord& record) {
  Venue& venue = *venue_;
  if (!venue.configuration || venue.firm_numbers.contains(record.firm) ||
      !venue.take_name(NameOf::FIRM, record.name)) {
    return fail("the snapshot has a firm twice, or before its configuration");
  }
  venue.firm_numbers.set(record.firm, static_cast<std::uint32_t>(venue.firms.size()));
  venue.firms.push_back({record.firm, record.mark == 1, record.name});
  return require(record.firm != 0 && is_name(record.name),
                 "the snapshot has a firm out of range");
}

bool SnapshotReader::read(const state::InstrumentRecord& record) {
  Venue& venue = *venue_;
  if (venue.find_instrument(record.instrument) != nullptr ||
      !venue.take_name(NameOf::INSTRUMENT, record.symbol)) {
    return fail("the snapshot has an instrument twice");
  }
  if (!venue.asset_numbers.contains(record.base_asset) ||
      !venue.asset_numbers.contains(record.quote_asset) ||
      venue.find_fee_schedule(record.fee_schedule) == nullptr) {
    return fail("the snapshot has an instrument of what it does not hold");
  }
  add_instrument(venue, record).is_killed = record.mark == 1;
  return require(record.instrument != 0 && is_name(record.symbol) &&
                     record.base_asset != record.quote_asset && is_amount(record.lot_atoms) &&
                     is_amount(record.tick_lot_atoms) && is_amount(record.tick_units) &&
                     is_amount(record.lot_units) && record.price_decimals <= SCALE_MAX &&
                     record.quantity_decimals <= SCALE_MAX,
                 "the snapshot has an instrument out of range");
}

bool SnapshotReader::read(const state::LimitsRecord& record) {
  Instrument* found = venue_->find_instrument(record.instrument);
  if (found == nullptr) {
    return fail("the snapshot has limits of no instrument");
  }
  Instrument& instrument = *found;
  instrument.limits = limits_of(record);
  instrument.price_ceiling = record.price_ceiling;
  instrument.quantity_ceiling = record.quantity_ceiling;
  InstrumentLimits bounds = instrument.limits;
  bounds.reference_ticks = 0;  // it may be of earlier bounds
  const std::int64_t largest = largest_order(
      std::max<std::int64_t>(record.price_ceiling, 0),
      std::max<std::int64_t>(record.quantity_ceiling, 0), instrument.lot_atoms,
      instrument.tick_lot_atoms);
  const bool is_set = are_limits_in_order(bounds) && is_bound(record.reference_ticks) &&
                      record.price_ceiling >= record.price_ticks_max &&
                      record.quantity_ceiling >= record.quantity_lots_max &&
                      largest < AMOUNT_LIMIT;
  state::LimitsRecord unset{};
  std::memcpy(static_cast<void*>(&unset), &record, sizeof(state::Header));
  unset.instrument = record.instrument;
  const bool is_unset = std::memcmp(&unset, &record, sizeof(unset)) == 0;
  return require(is_set || is_unset, "the snapshot has limits out of order");
}

bool SnapshotReader::read(const state::MarketRecord& record) {
  Instrument* found = venue_->find_instrument(record.instrument);
  if (found == nullptr) {
    return fail("the snapshot has a market of no instrument");
  }
  Instrument& instrument = *found;
  instrument.phase = record.mark;
  instrument.phase_reason = record.phase_reason;
  instrument.phase_until_ns = record.phase_until_ns;
  instrument.last_ticks = record.last_ticks;
  instrument.reference_ticks = record.reference_ticks;
  instrument.band_ticks = record.band_ticks;
  instrument.band_next_ticks = record.band_next_ticks;
  instrument.band_window_at_ns = record.band_window_at_ns;
  instrument.indicative = {record.indicative_ticks, record.indicative_volume_lots,
                           record.indicative_surplus_lots};
  instrument.indicative_at_ns = record.indicative_at_ns;
  instrument.book.sequence = record.book_sequence;
  if (record.phase_until_ns != 0) {
    venue_->deadlines.insert({record.phase_until_ns, Deadline::PHASE_END, record.instrument});
  }
  if (record.indicative_at_ns != 0) {
    venue_->deadlines.insert(
        {record.indicative_at_ns, Deadline::INDICATIVE_PRICE, record.instrument});
  }
  const bool is_auction = record.mark == phase::CALL_AUCTION;
  const bool is_indicating =
      instrument.indicative != Equilibrium{} || record.indicative_at_ns != 0;
  return require(record.mark >= phase::PRE_OPEN && record.mark <= phase::CLOSED &&
                     (record.mark == phase::CLOSED || instrument.has_limits()) &&
                     record.phase_reason >= phase_reason::OPERATOR &&
                     record.phase_reason <= phase_reason::PRICE_BAND &&
                     record.phase_until_ns >= 0 &&
                     (record.phase_until_ns == 0 || is_auction || record.mark == phase::HALTED) &&
                     is_bound(record.last_ticks) && is_bound(record.reference_ticks) &&
                     is_bound(record.band_ticks) && is_bound(record.band_next_ticks) &&
                     is_bound(record.band_window_at_ns) && is_bound(record.indicative_ticks) &&
                     is_bound(record.indicative_volume_lots) &&
                     record.indicative_surplus_lots > -AMOUNT_LIMIT &&
                     record.indicative_surplus_lots < AMOUNT_LIMIT &&
                     record.indicative_at_ns >= 0 && (is_auction || !is_indicating) &&
                     record.book_sequence < AMOUNT_LIMIT,
                 "the snapshot has a market out of range");
}

bool SnapshotReader::read(const state::AccountRecord& record) {
  Venue& venue = *venue_;
  const std::uint32_t firm = venue.firm_numbers.find(record.firm);
  if (firm == NONE || venue.account_numbers.contains(record.account) ||
      !venue.take_name(NameOf::ACCOUNT, record.name)) {
    return fail("the snapshot has an account twice, or of no firm");
  }
  Account account{};
  account.number = record.account;
  account.firm = firm;
  account.owner_group = record.owner_group;
  account.group = record.owner_group != 0 ? std::int64_t{record.owner_group}
                                          : -std::int64_t{record.account};
  account.kind = record.account_kind;
  account.self_trade_prevention = record.self_trade_prevention;
  account.is_killed = record.mark == 1;
  account.open_orders_max = record.open_orders_max;
  account.message_burst = record.message_burst;
  account.message_interval_ns = record.message_interval_ns;
  account.next_free_ns = record.next_free_ns;
  account.name = record.name;
  venue.account_numbers.set(record.account, static_cast<std::uint32_t>(venue.accounts.size()));
  venue.accounts.push_back(std::move(account));
  const Wide burst_ns = Wide{record.message_interval_ns} * record.message_burst;
  const bool is_kind_known = record.account_kind == account_kind::CLIENT ||
                             record.account_kind == account_kind::HOUSE;
  return require(record.account != 0 && is_name(record.name) && is_kind_known &&
                     is_self_trade_prevention(record.self_trade_prevention),
                 "the snapshot has an account out of range") &&
         require(is_bound(record.message_interval_ns) && burst_ns < AMOUNT_LIMIT &&
                     record.next_free_ns >= 0,
                 "the snapshot has a throttle out of range");
}

bool SnapshotReader::read(const state::BalanceRecord& record) {
  Venue& venue = *venue_;
  const std::uint32_t account = venue.find_account(record.account);
  const std::uint32_t asset = venue.asset_numbers.find(record.asset);
  if (account == NONE || asset == NONE) {
    return fail("the snapshot has a balance of what it does not hold");
  }
  const std::uint32_t index = venue.balance_index(account, asset);
  Balance& balance = venue.balances[index];
  balance.balance_atoms = record.balance_atoms;
  balance.held_atoms = record.held_atoms;
  balance.credit_line_atoms = record.credit_line_atoms;
  balance.position_max_atoms = record.position_max_atoms;
  if (record.balance_atoms <= -AMOUNT_LIMIT || record.balance_atoms >= AMOUNT_LIMIT ||
      !is_bound(record.held_atoms) || !is_bound(record.credit_line_atoms) ||
      !is_bound(record.position_max_atoms)) {
    return fail("the snapshot has a balance out of range");
  }
  std::int64_t& lines_atoms = venue.assets[asset].credit_lines_atoms;
  lines_atoms = saturating_add(lines_atoms, record.credit_line_atoms);
  if (balance.used_atoms() > balance.credit_line_atoms) {
    venue.assets[asset].overdrawn.insert(index);
  }
  return require(lines_atoms < AMOUNT_LIMIT, "the snapshot has credit lines out of range");
}

bool SnapshotReader::read(const state::AssignmentRecord& record) {
  const std::uint32_t account = venue_->find_account(record.account);
  if (account == NONE || venue_->find_fee_schedule(record.fee_schedule) == nullptr ||
      (record.instrument != 0 && venue_->find_instrument(record.instrument) == nullptr)) {
    return fail("the snapshot has an assignment of what it does not hold");
  }
  assign_schedule(venue_->accounts[account], record.instrument, record.fee_schedule);
  return true;
}

bool SnapshotReader::read(const state::SessionRecord& record) {
  Venue& venue = *venue_;
  const std::uint32_t firm = venue.firm_numbers.find(record.firm);
  if (firm == NONE || venue.session_numbers.contains(record.session) ||
      !venue.take_name(NameOf::SESSION, record.name)) {
    return fail("the snapshot has a session twice, or of no firm");
  }
  venue.session_numbers.set(record.session, static_cast<std::uint32_t>(venue.sessions.size()));
  Session& session = venue.sessions.emplace_back();
  session.number = record.session;
  session.firm = firm;
  session.cancel_on_disconnect = record.cancel_on_disconnect;
  session.connection = record.connection;
  session.last_connection = record.last_connection;
  session.principal = record.principal;
  session.disconnect_grace_ns = record.disconnect_grace_ns;
  session.grace_until_ns = record.grace_until_ns;
  if (record.has_chosen == 1) {
    session.has_chosen = true;
    session.chosen_cancel_on_disconnect = record.chosen_cancel_on_disconnect;
    session.chosen_grace_ns = record.chosen_grace_ns;
  }
  session.is_killed = record.mark == 1;
  session.name = record.name;
  if (record.grace_until_ns != 0) {
    venue.deadlines.insert({record.grace_until_ns, Deadline::SESSION_GRACE, record.session});
  }
  return require(record.session != 0 && is_name(record.name) &&
                     record.cancel_on_disconnect <= on_disconnect::ACCOUNT &&
                     (record.connection == 0 || record.connection == record.last_connection) &&
                     is_bound(record.disconnect_grace_ns) && record.grace_until_ns >= 0 &&
                     record.has_chosen <= 1 &&
                     record.chosen_cancel_on_disconnect <= on_disconnect::ACCOUNT &&
                     is_bound(record.chosen_grace_ns) &&
                     (record.grace_until_ns == 0 || record.connection == 0),
                 "the snapshot has a session out of range");
}

bool SnapshotReader::read(const state::RightRecord& record) {
  Session* session = venue_->find_session(record.session);
  const std::uint32_t account = venue_->find_account(record.account);
  if (session == nullptr || account == NONE || session->firm != venue_->accounts[account].firm) {
    return fail("the snapshot has a right of what it does not hold, or of two firms");
  }
  set_rights(*session, record.account, record.rights);
  return require(record.rights >= 1 && record.rights <= RIGHTS_KNOWN,
                 "the snapshot has a right out of range");
}

bool SnapshotReader::read(const state::ReferenceRecord& record) {
  venue_->references[Reference(record.reference.data(), 40)] = record.mark == 1;
  return require(is_client_id(record.reference), "the snapshot has a reference out of range");
}

bool SnapshotReader::read(const state::WithdrawalRecord& record) {
  Venue& venue = *venue_;
  const Reference key(record.reference.data(), 40);
  const auto reference = venue.references.find(key);
  const std::uint32_t account = venue.find_account(record.account);
  const std::uint32_t asset = venue.asset_numbers.find(record.asset);
  if (reference == venue.references.end() || !reference->second || account == NONE ||
      asset == NONE || !is_amount(record.amount_atoms)) {
    return fail("the snapshot has a withdrawal that is none");
  }
  venue.withdrawals[key] = {account, asset, record.amount_atoms};
  held_[venue.balance_index(account, asset)] += record.amount_atoms;
  return true;
}

// What is held is what orders and withdrawals hold, all balances and fees are the supply, and no
// sum can overflow.
bool SnapshotReader::check_money() {
  Venue& venue = *venue_;
  Refused refused;
  if (!venue.fee_schedules.empty()) {
    const FeeSchedule& first = venue.fee_schedules.front();
    if (refuses_rebate(extremes_with(venue, first.maker_ppm, first.taker_ppm), refused)) {
      return fail("the snapshot has a rebate above a fee");
    }
  }
  std::vector<Wide> sums(venue.assets.size());
  for (const Account& account : venue.accounts) {
    for (std::size_t asset = 0; asset < account.balances.size(); ++asset) {
      const std::uint32_t index = account.balances[asset];
      if (index == 0) {
        continue;
      }
      const auto held = held_.find(index);
      if (venue.balances[index].held_atoms != (held == held_.end() ? 0 : held->second)) {
        return fail("the snapshot holds what nothing explains");
      }
      sums[asset] += venue.balances[index].balance_atoms;
    }
  }
  for (std::size_t number = 0; number < sums.size(); ++number) {
    Asset& asset = venue.assets[number];
    if (sums[number] + asset.fees_atoms - asset.receivable_atoms != asset.supply_atoms) {
      return fail("the snapshot's balances and fees are not its supply");
    }
    if (lent_atoms(venue, asset) + asset.supply_max_atoms >= AMOUNT_LIMIT) {
      return fail("the snapshot has too much of an asset lent");
    }
  }
  return true;
}

}  // namespace core
