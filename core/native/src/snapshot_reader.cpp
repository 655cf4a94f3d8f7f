// Reads a snapshot back into a state, or says what is wrong with it. Order, padding and counts
// need no checks of their own: only canonical bytes are written again as they were read. Ranges
// do: the arithmetic of matching relies on them.
#include <algorithm>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "core/handlers.hpp"
#include "core/snapshot.hpp"

namespace core {

namespace {


constexpr bool is_rate(std::int32_t rate_ppm) noexcept {
  return rate_ppm >= -PPM && rate_ppm <= PPM;
}

class Reader {
 public:
  explicit Reader(const Settings& settings) : venue_(std::make_unique<Venue>(settings)) {}

  [[nodiscard]] const char* error() const noexcept { return error_; }
  [[nodiscard]] std::unique_ptr<Venue> take() noexcept { return std::move(venue_); }

  bool read_all(std::span<const std::byte> data) {
    std::size_t at = 0;
    std::uint16_t last_kind = 0;
    while (at < data.size()) {
      if (data.size() - at < sizeof(state::Header)) {
        return fail("the snapshot is cut short");
      }
      const auto& header = *reinterpret_cast<const state::Header*>(data.data() + at);
      const std::size_t length = header.length;
      if (length < sizeof(state::Header) || length > data.size() - at) {
        return fail("the snapshot is cut short");
      }
      if (at == 0 && header.kind != state::VenueRecord::KIND) {
        return fail("the snapshot does not begin with the venue");
      }
      if (header.kind < last_kind) {
        return fail("the snapshot is not canonical");
      }
      last_kind = header.kind;
      if (!read_record(header, data.data() + at)) {
        return false;
      }
      at += length;
    }
    if (last_kind != state::EndRecord::KIND) {
      return fail("the snapshot has no end");
    }
    return check_orders() && check_balances();
  }

 private:
  bool fail(const char* what) noexcept {
    error_ = what;
    return false;
  }
  bool require(bool condition, const char* what) noexcept {
    return condition || fail(what);
  }

  bool read_record(const state::Header& header, const std::byte* at) {
    switch (header.kind) {
#define CORE_READ(Record)                                                         \
  case state::Record::KIND:                                                       \
    return require(header.length == sizeof(state::Record),                        \
                   "the snapshot has a record of a wrong length") &&              \
           read(*reinterpret_cast<const state::Record*>(at))
      CORE_READ(VenueRecord);
      CORE_READ(ConfigurationRecord);
      CORE_READ(SourceRecord);
      CORE_READ(AssetRecord);
      CORE_READ(FeeScheduleRecord);
      CORE_READ(FirmRecord);
      CORE_READ(InstrumentRecord);
      CORE_READ(LimitsRecord);
      CORE_READ(MarketRecord);
      CORE_READ(AccountRecord);
      CORE_READ(BalanceRecord);
      CORE_READ(AssignmentRecord);
      CORE_READ(SessionRecord);
      CORE_READ(RightRecord);
      CORE_READ(ReferenceRecord);
      CORE_READ(WithdrawalRecord);
      CORE_READ(OrderRecord);
      CORE_READ(ClientIdRecord);
      CORE_READ(QueueRecord);
      CORE_READ(GoneRecord);
#undef CORE_READ
      case state::EndRecord::KIND:
        return require(header.length == sizeof(state::EndRecord),
                       "the snapshot has a record of a wrong length");
      default:
        return fail("the snapshot has a record of an unknown kind");
    }
  }

  bool read(const state::VenueRecord& record) {
    Venue& venue = *venue_;
    venue.is_killed = record.mark == 1;
    venue.last_sequence = record.last_sequence;
    venue.last_time_ns = record.last_time_ns;
    venue.events.number = record.last_event;
    venue.last_order_id = record.last_order_id;
    venue.last_trade_id = record.last_trade_id;
    venue.last_arrival = record.last_arrival;
    venue.rules = record.rules;
    return require(record.rules == RULES, "the snapshot has unknown rules") &&
           require(is_bound(record.last_time_ns), "the snapshot's stamp is out of range");
  }

  bool read(const state::ConfigurationRecord& record) {
    venue_->configuration = Configuration{
        .client_ids_max = record.client_ids_max,
        .references_max = record.references_max,
        .open_orders_max = record.open_orders_max,
        .accounts_max = record.accounts_max,
        .instruments_max = record.instruments_max,
        .sessions_max = record.sessions_max,
        .client_id_window_ns = record.client_id_window_ns,
        .indicative_interval_ns = record.indicative_interval_ns,
        .day_offset_ns = record.day_offset_ns,
    };
    return require(record.client_id_window_ns >= 0 && record.indicative_interval_ns >= 0 &&
                       record.day_offset_ns >= 0 && record.day_offset_ns < DAY_NS,
                   "the snapshot's configuration is out of range");
  }

  bool read(const state::SourceRecord& record) {
    Venue& venue = *venue_;
    if (venue.source_numbers.find(record.source) != NONE) {
      return fail("the snapshot has a source twice");
    }
    venue.source_numbers.set(record.source, static_cast<std::uint32_t>(venue.sources.size()));
    venue.sources.push_back({record.source, record.epoch, record.source_sequence});
    return true;
  }

  bool read(const state::AssetRecord& record) {
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
    return require(record.scale <= SCALE_MAX && is_amount(record.supply_max_atoms) &&
                       record.supply_atoms > -AMOUNT_LIMIT &&  // what is lent may leave, too
                       record.supply_atoms < AMOUNT_LIMIT && record.fees_atoms > -AMOUNT_LIMIT &&
                       record.fees_atoms < AMOUNT_LIMIT,
                   "the snapshot has an asset out of range");
  }

  bool read(const state::FeeScheduleRecord& record) {
    Venue& venue = *venue_;
    if (!venue.configuration || venue.find_fee_schedule(record.fee_schedule) != nullptr) {
      return fail("the snapshot has a fee schedule twice, or before its configuration");
    }
    venue.fee_schedule_numbers.set(record.fee_schedule,
                                   static_cast<std::uint32_t>(venue.fee_schedules.size()));
    venue.fee_schedules.push_back({record.fee_schedule, record.maker_ppm, record.taker_ppm});
    return require(is_rate(record.maker_ppm) && is_rate(record.taker_ppm),
                   "the snapshot has fee rates out of range");
  }

  bool read(const state::FirmRecord& record) {
    Venue& venue = *venue_;
    if (!venue.configuration || venue.firm_numbers.contains(record.firm) ||
        !venue.take_name(NameOf::FIRM, record.name)) {
      return fail("the snapshot has a firm twice, or before its configuration");
    }
    venue.firm_numbers.set(record.firm, static_cast<std::uint32_t>(venue.firms.size()));
    venue.firms.push_back({record.firm, record.mark == 1, record.name});
    return true;
  }

  bool read(const state::InstrumentRecord& record) {
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
    return require(record.base_asset != record.quote_asset && is_amount(record.lot_atoms) &&
                       is_amount(record.tick_lot_atoms) && is_amount(record.tick_units) &&
                       is_amount(record.lot_units) && record.price_decimals <= SCALE_MAX &&
                       record.quantity_decimals <= SCALE_MAX,
                   "the snapshot has an instrument out of range");
  }

  bool read(const state::LimitsRecord& record) {
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

  bool read(const state::MarketRecord& record) {
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
    return require(record.mark >= phase::PRE_OPEN && record.mark <= phase::CLOSED &&
                       (record.mark == phase::CLOSED || instrument.has_limits()) &&
                       record.phase_reason <= phase_reason::PRICE_BAND &&
                       record.phase_until_ns >= 0 && is_bound(record.last_ticks) &&
                       is_bound(record.reference_ticks) && is_bound(record.band_ticks) &&
                       is_bound(record.band_next_ticks) &&
                       is_bound(record.band_window_at_ns) && record.indicative_at_ns >= 0,
                   "the snapshot has a market out of range");
  }

  bool read(const state::AccountRecord& record) {
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
    return require(record.message_interval_ns >= 0 && burst_ns < AMOUNT_LIMIT &&
                       record.next_free_ns >= 0,
                   "the snapshot has a throttle out of range");
  }

  bool read(const state::BalanceRecord& record) {
    Venue& venue = *venue_;
    const std::uint32_t account = venue.find_account(record.account);
    const std::uint32_t asset = venue.asset_numbers.find(record.asset);
    if (account == NONE || asset == NONE) {
      return fail("the snapshot has a balance of what it does not hold");
    }
    Balance& balance = venue.balance(account, asset);
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
    return require(lines_atoms < AMOUNT_LIMIT, "the snapshot has credit lines out of range");
  }

  bool read(const state::AssignmentRecord& record) {
    const std::uint32_t account = venue_->find_account(record.account);
    if (account == NONE || venue_->find_fee_schedule(record.fee_schedule) == nullptr) {
      return fail("the snapshot has an assignment of what it does not hold");
    }
    assign_schedule(venue_->accounts[account], record.instrument, record.fee_schedule);
    return true;
  }

  bool read(const state::SessionRecord& record) {
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
    session.is_killed = record.mark == 1;
    session.name = record.name;
    if (record.grace_until_ns != 0) {
      venue.deadlines.insert({record.grace_until_ns, Deadline::SESSION_GRACE, record.session});
    }
    return require(record.cancel_on_disconnect <= on_disconnect::ACCOUNT &&
                       is_bound(record.disconnect_grace_ns) && record.grace_until_ns >= 0,
                   "the snapshot has a session out of range");
  }

  bool read(const state::RightRecord& record) {
    Session* session = venue_->find_session(record.session);
    if (session == nullptr || venue_->find_account(record.account) == NONE) {
      return fail("the snapshot has a right of what it does not hold");
    }
    set_rights(*session, record.account, record.rights);
    return require(record.rights >= 1 && record.rights <= 3,
                   "the snapshot has a right out of range");
  }

  bool read(const state::ReferenceRecord& record) {
    venue_->references[Reference(record.reference.data(), 40)] = record.mark == 1;
    return true;
  }

  bool read(const state::WithdrawalRecord& record) {
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

  bool read(const state::OrderRecord& record);
  bool read_open(const state::OrderRecord& record, std::uint32_t index);
  bool read(const state::ClientIdRecord& record);
  bool read(const state::QueueRecord& record);
  bool read(const state::GoneRecord& record);
  bool check_orders();
  bool check_balances();

  // What an order's record says that only later records complete.
  struct Unfinished {
    std::int64_t shown_lots;
    Text<40> client_order_id;
    bool is_gone;
  };

  std::unique_ptr<Venue> venue_;
  const char* error_ = "";
  std::map<std::uint32_t, Wide> held_;               // by balance
  std::map<std::uint32_t, Unfinished> unfinished_;   // by order
  std::map<std::pair<std::uint32_t, bool>, Wide> resting_lots_;  // by instrument and side
};

bool is_order_in_range(const state::OrderRecord& record, std::uint64_t last_order_id) noexcept {
  return record.order_id != 0 && record.order_id <= last_order_id &&
         (record.side == side::BUY || record.side == side::SELL) &&
         record.mark >= status::PENDING_TRIGGER && record.mark <= status::EXPIRED &&
         record.order_type >= order_type::LIMIT &&
         record.order_type <= order_type::STOP_LIMIT &&
         record.time_in_force >= time_in_force::DAY &&
         record.time_in_force <= time_in_force::GOOD_TILL_DATE && is_rate(record.maker_ppm) &&
         is_rate(record.taker_ppm) && record.fee_credit < PPM;
}

bool is_open_order_in_range(const state::OrderRecord& record,
                            const Instrument& instrument) noexcept {
  const Wide value_max = Wide{instrument.price_ceiling} * record.filled_lots;
  return record.price_ticks >= 1 && record.price_ticks <= instrument.price_ceiling &&
         record.quantity_lots >= 1 && record.quantity_lots <= instrument.quantity_ceiling &&
         record.leaves_lots >= 1 && record.filled_lots >= 0 &&
         record.leaves_lots == record.quantity_lots - record.filled_lots &&
         record.filled_value >= 0 && record.filled_value <= value_max &&
         is_bound(record.stop_price_ticks) && is_bound(record.display_lots) &&
         is_bound(record.minimum_lots) && record.expires_at_ns >= 0 &&
         (record.mark != status::PENDING_TRIGGER ||
          (record.shown_lots == 0 && record.stop_price_ticks >= 1));
}

bool Reader::read(const state::OrderRecord& record) {
  Venue& venue = *venue_;
  const std::uint32_t account = venue.find_account(record.account);
  const std::uint32_t instrument_index = venue.instrument_numbers.find(record.instrument);
  if (account == NONE || instrument_index == NONE ||
      !is_order_in_range(record, venue.last_order_id)) {
    return fail("the snapshot has an order out of range");
  }
  if (venue.order_ids.find(record.order_id) != 0) {
    return fail("the snapshot has an order twice");
  }
  const Instrument& instrument = *venue.instruments[instrument_index];
  const std::uint32_t index = venue.orders.allocate();
  HotOrder& order = venue.orders.hot(index);
  ColdOrder& cold = venue.orders.cold(index);
  order = HotOrder{};
  cold = ColdOrder{};
  order.order_id = record.order_id;
  order.price_ticks = record.price_ticks;
  order.leaves_lots = record.leaves_lots;
  order.held_atoms = record.held_atoms;
  order.account = account;
  order.instrument = instrument_index;
  order.side = record.side;
  order.order_type = record.order_type;
  order.time_in_force = record.time_in_force;
  order.status = record.mark;
  order.self_trade_prevention = record.self_trade_prevention;
  order.order_flags = record.order_flags;
  order.reason = record.reason;
  cold.quantity_lots = record.quantity_lots;
  cold.filled_lots = record.filled_lots;
  cold.filled_value = record.filled_value;
  cold.stop_price_ticks = record.stop_price_ticks;
  cold.display_lots = record.display_lots;
  cold.minimum_lots = record.minimum_lots;
  cold.expire_at_ns = record.expire_at_ns;
  cold.session = record.session;
  cold.connection = record.connection;
  cold.base = venue.balance_index(account, instrument.base_asset);
  cold.quote = venue.balance_index(account, instrument.quote_asset);
  cold.maker_ppm = record.maker_ppm;
  cold.taker_ppm = record.taker_ppm;
  cold.fee_credit = record.fee_credit;
  cold.trader = record.trader;
  cold.arrival = record.arrival;
  cold.expires_at_ns = record.expires_at_ns;
  venue.order_ids.add(record.order_id, index);
  unfinished_[index] = {record.shown_lots, record.client_order_id, false};
  if (order.is_open()) {
    return read_open(record, index);
  }
  return require(record.held_atoms == 0 && record.leaves_lots == 0 && record.shown_lots == 0,
                 "the snapshot has a done order that holds something");
}

bool Reader::read_open(const state::OrderRecord& record, std::uint32_t index) {
  Venue& venue = *venue_;
  const HotOrder& order = venue.orders.hot(index);
  ColdOrder& cold = venue.orders.cold(index);
  Instrument& instrument = *venue.instruments[order.instrument];
  if (!is_open_order_in_range(record, instrument) ||
      record.held_atoms != hold_of(order, cold, instrument, order.leaves_lots,
                                   order.price_ticks, cold.maker_ppm, cold.taker_ppm)) {
    return fail("the snapshot has an open order out of range");
  }
  Account& account = venue.accounts[order.account];
  cold.account_next = account.first_order;
  if (account.first_order != 0) {
    venue.orders.cold(account.first_order).account_previous = index;
  }
  account.first_order = index;
  ++account.open_orders;
  ++instrument.open_orders;
  ++venue.open_orders;
  held_[order.is_buy() ? cold.quote : cold.base] += record.held_atoms;
  if (cold.expires_at_ns != 0) {
    venue.deadlines.insert({cold.expires_at_ns, Deadline::ORDER_EXPIRY, order.order_id});
  }
  if (order.is_pending()) {
    add_stop(venue, index);
  }
  Wide& resting_lots = resting_lots_[{order.instrument, order.is_buy()}];
  resting_lots += record.leaves_lots;
  if (resting_lots >= AMOUNT_LIMIT) {
    return fail("the snapshot has a book out of range");
  }
  std::int64_t& buying_atoms = venue.balances[cold.base].buying_atoms;
  return !order.is_buy() ||
         require(!__builtin_add_overflow(buying_atoms, order.leaves_lots * instrument.lot_atoms,
                                         &buying_atoms),
                 "the snapshot has open buys out of range");
}

bool Reader::read(const state::ClientIdRecord& record) {
  Venue& venue = *venue_;
  const std::uint32_t index = venue.order_ids.find(record.order_id);
  if (index == 0) {
    return fail("the snapshot has a client id of no order");
  }
  const std::uint32_t account = venue.orders.hot(index).account;
  const std::uint32_t hash = venue.client_ids.hash(account, record.client_order_id);
  if (venue.client_ids.find(hash, account, record.client_order_id) != 0) {
    return fail("the snapshot has a client id twice");
  }
  attach_id(venue, index, hash, record.client_order_id);
  if (record.client_order_id == unfinished_[index].client_order_id) {
    venue.orders.cold(index).current_id = venue.orders.cold(index).last_id;
  }
  return true;
}

bool Reader::read(const state::QueueRecord& record) {
  Venue& venue = *venue_;
  const std::uint32_t index = venue.order_ids.find(record.order_id);
  if (index == 0) {
    return fail("the snapshot queues no order");
  }
  const HotOrder& order = venue.orders.hot(index);
  if (!order.is_open() || order.is_pending() || order.is_queued()) {
    return fail("the snapshot queues an order that does not rest, or twice");
  }
  const std::int64_t shown_lots = unfinished_[index].shown_lots;
  const bool is_whole =
      shown_lots == order.leaves_lots || venue.orders.cold(index).display_lots >= 1;
  if (shown_lots <= 0 || shown_lots > order.leaves_lots || !is_whole) {
    return fail("the snapshot shows more of an order than there is");
  }
  venue.instruments[order.instrument]->book.side(order.side).append_showing(index, shown_lots);
  return true;
}

bool Reader::read(const state::GoneRecord& record) {
  Venue& venue = *venue_;
  if (record.order_id != 0) {
    const std::uint32_t index = venue.order_ids.find(record.order_id);
    if (index == 0 || venue.orders.hot(index).is_open() || unfinished_[index].is_gone) {
      return fail("the snapshot forgets no order, an open one, or one twice");
    }
    unfinished_[index].is_gone = true;
    venue.gone.push({record.gone_at_ns, index, 0});
    return true;
  }
  const std::uint32_t account = venue.find_account(record.account);
  if (account == NONE) {
    return fail("the snapshot has a client id of no account");
  }
  const std::uint32_t hash = venue.client_ids.hash(account, record.client_order_id);
  if (venue.client_ids.find(hash, account, record.client_order_id) != 0) {
    return fail("the snapshot has a client id twice");
  }
  remember_mass_cancel(venue, account, hash, record.client_order_id, record.gone_at_ns);
  return true;
}

bool Reader::check_orders() {
  for (const auto& [index, unfinished] : unfinished_) {
    const HotOrder& order = venue_->orders.hot(index);
    if (venue_->orders.cold(index).current_id == 0) {
      return fail("the snapshot has an order without its client id");
    }
    const bool is_somewhere =
        order.is_open() ? order.is_pending() || order.is_queued() : unfinished.is_gone;
    if (!is_somewhere) {
      return fail("the snapshot has an order in no queue");
    }
  }
  return true;
}

// What is held is what orders and withdrawals hold, and all balances and fees are the supply.
bool Reader::check_balances() {
  Venue& venue = *venue_;
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
  for (std::size_t asset = 0; asset < sums.size(); ++asset) {
    if (sums[asset] + venue.assets[asset].fees_atoms != venue.assets[asset].supply_atoms) {
      return fail("the snapshot's balances and fees are not its supply");
    }
  }
  return true;
}

}  // namespace

std::unique_ptr<Venue> read_snapshot(std::span<const std::byte> data, const Settings& settings,
                                     const char*& error) {
  Reader reader(settings);
  if (!reader.read_all(data)) {
    error = reader.error();
    return nullptr;
  }
  std::unique_ptr<Venue> venue = reader.take();
  for (const auto& instrument : venue->instruments) {
    if (instrument->has_late_stops()) {
      venue->late_stops.insert(instrument->number);
    }
  }
  const Bytes again = write_snapshot(*venue);
  if (again.size() != data.size() ||
      std::memcmp(again.data(), data.data(), data.size()) != 0) {
    error = "the snapshot is not canonical";
    return nullptr;
  }
  return venue;
}

}  // namespace core
