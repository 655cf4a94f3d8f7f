// The commands' handlers, and the refusals that they share. Each handler is the whole of its
// command: decide first, then act; a refused command changes nothing but the throttle.
#pragma once

#include "core/order_steps.hpp"

namespace core {

// With the hash of the client's id, which look-ahead has worked out.
void place_order(Venue& venue, const commands::PlaceOrder& command, std::uint32_t hash);
void amend_order(Venue& venue, const commands::AmendOrder& command, std::uint32_t hash);
void cancel(Venue& venue, const commands::CancelOrder& command, std::uint32_t hash);

void mass_cancel(Venue& venue, const commands::MassCancel& command);
void query_order(Venue& venue, const commands::QueryOrder& command);
void do_mass_action(Venue& venue, const commands::MassAction& command);
void query_orders(Venue& venue, const commands::QueryOrders& command);
void check_order(Venue& venue, const commands::CheckOrder& command);
void record_refusal(Venue& venue, const commands::RecordRefusal& command);

// The header, which all of its entries follow in memory.
void mass_quote(Venue& venue, const commands::GroupHeader& header);
void cancel_quotes(Venue& venue, const commands::CancelQuotes& command);
void define_protection(Venue& venue, const commands::DefineProtection& command);
void reset_protection(Venue& venue, const commands::ResetProtection& command);
void query_protection(Venue& venue, const commands::QueryProtection& command);

void open_session(Venue& venue, const commands::OpenSession& command);
void open_session_on_terms(Venue& venue, const commands::OpenSessionOnTerms& command);
void close_session(Venue& venue, const commands::CloseSession& command);
void lose_link(Venue& venue, const commands::LinkLost& command);
void grant_session(Venue& venue, const commands::GrantSession& command);

void credit(Venue& venue, const commands::Credit& command);
void debit(Venue& venue, const commands::Debit& command);
void adjust_balance(Venue& venue, const commands::AdjustBalance& command);
void reserve_withdrawal(Venue& venue, const commands::ReserveWithdrawal& command);
void commit_withdrawal(Venue& venue, const commands::CommitWithdrawal& command);
void release_withdrawal(Venue& venue, const commands::ReleaseWithdrawal& command);
void transfer_funds(Venue& venue, const commands::TransferFunds& command);
void settle_receivable(Venue& venue, const commands::SettleReceivable& command);

void bust_trade(Venue& venue, const commands::BustTrade& command);
void correct_trade(Venue& venue, const commands::CorrectTrade& command);
void keep_trades(Venue& venue, const commands::KeepTrades& command);
void dispute_trade(Venue& venue, const commands::DisputeTrade& command);

void configure_venue(Venue& venue, const commands::ConfigureVenue& command);
void create_asset(Venue& venue, const commands::CreateAsset& command);
void create_instrument(Venue& venue, const commands::CreateInstrument& command);
void create_firm(Venue& venue, const commands::CreateFirm& command);
void create_account(Venue& venue, const commands::CreateAccount& command);
void define_fee_schedule(Venue& venue, const commands::DefineFeeSchedule& command);
void assign_fee_schedule(Venue& venue, const commands::AssignFeeSchedule& command);
void set_account_limits(Venue& venue, const commands::SetAccountLimits& command);
void set_asset_limits(Venue& venue, const commands::SetAssetLimits& command);
void set_instrument_limits(Venue& venue, const commands::SetInstrumentLimits& command);

void change_phase(Venue& venue, const commands::ChangePhase& command);
void kill(Venue& venue, const commands::Kill& command);
void resume(Venue& venue, const commands::Resume& command);
void activate_rules(Venue& venue, const commands::ActivateRules& command);
void advance_time(Venue& venue, const commands::AdvanceTime& command);

// Refuse a command before the venue is configured, in the event that its kind has for that.
void refuse_unconfigured(Venue& venue, const commands::Header& command);

// Refuse a money, definition, session or operator command, about the number `subject`.
template <class Command>
void reject_command(Venue& venue, const Command& command, const Refused& refused,
                    std::uint32_t subject, const Text<40>& reference = NO_CLIENT_ID) {
  auto& event = venue.events.emit_zeroed<events::CommandRejected>();
  event.account = command.account;
  event.session = command.session;
  event.refused_kind = command.kind;
  event.code = refused.code;
  event.subject = subject;
  event.source = command.source;
  event.source_sequence = command.source_sequence;
  event.limit = refused.limit;
  event.usage = refused.usage;
  event.reference = reference;
}

void reject_order(Venue& venue, const commands::PlaceOrder& command, const Refused& refused);
void reject_mass_action(Venue& venue, const commands::MassAction& command,
                        const Refused& refused);
void reject_orders_query(Venue& venue, const commands::QueryOrders& command,
                         const Refused& refused);
void refuse_check(Venue& venue, const commands::CheckOrder& command, const Refused& refused);

// Refuse an amend, a cancel or a query, saying where its order stands if there is one.
template <class Event, class Command>
void reject_request(Venue& venue, const Command& command, const Refused& refused,
                    std::uint32_t order_index, const Text<40>& client_order_id,
                    const Text<40>& original_client_order_id) {
  auto& event = venue.events.emit_zeroed<Event>();
  event.account = command.account;
  event.session = command.session;
  event.connection = command.connection;
  event.instrument = command.instrument;
  event.order_id = command.order_id;
  event.side = command.side;
  if (order_index != 0) {
    const HotOrder& order = venue.orders.hot(order_index);
    event.instrument = venue.instruments[order.instrument]->number;
    event.order_id = order.order_id;
    event.side = order.side;
    event.status = order.status;
  }
  event.code = refused.code;
  event.limit = refused.limit;
  event.usage = refused.usage;
  event.client_order_id = client_order_id;
  event.original_client_order_id = original_client_order_id;
}

void reject_mass_cancel(Venue& venue, const commands::MassCancel& command,
                        const Refused& refused);

// Refuse a cancel of quotes, or a reset or query of a protection group.
template <class Command>
void reject_quoting(Venue& venue, const Command& command, const Refused& refused) {
  auto& event = venue.events.emit_zeroed<events::QuotingRejected>();
  event.account = command.account;
  event.session = command.session;
  event.connection = command.connection;
  if constexpr (Command::KIND == commands::CancelQuotes::KIND) {
    event.instrument = command.instrument;
    event.scope = command.scope;
  }
  event.protection_group = command.protection_group;
  event.refused_kind = command.kind;
  event.code = refused.code;
  event.limit = refused.limit;
  event.usage = refused.usage;
  event.request_id = command.request_id;
}

// Whether the account is unknown or the command's connection may not act for it.
template <class Command>
[[nodiscard]] bool refuses_session(Venue& venue, const Command& command, std::uint32_t account,
                                   Session*& session, Refused& refused) {
  if (account == NONE) [[unlikely]] {
    return refused.because(code::ACCOUNT_UNKNOWN);
  }
  session = venue.find_session(command.session);
  if (session == nullptr) [[unlikely]] {
    return refused.because(code::SESSION_NOT_ENTITLED);
  }
  return refuses_access(session->rights_on(command.account), session->connection,
                        command.connection, refused);
}

// Whether an order's price is too far away, or none can be found for it.
[[nodiscard]] bool refuses_price(Instrument& instrument, const commands::PlaceOrder& command,
                                 Refused& refused);

// Whether one more open order, `ahead` of others that are about to be opened, is one too many.
[[nodiscard]] bool refuses_counts(const Venue& venue, const Account& account,
                                  const Instrument& instrument, Refused& refused,
                                  std::uint32_t ahead = 0);

// Find out who may act for whom, into `found`; nothing, and why, when nobody may.
[[nodiscard]] const Admission* find_admission(Venue& venue, const commands::Header& command,
                                              std::uint32_t instrument, Admission& found,
                                              Refused& refused);

// Whom a command's connection acts for; nothing, and why, when it may not.
template <class Command>
[[nodiscard]] const Admission* admit(Venue& venue, const Command& command, Refused& refused) {
  Admission& known = venue.admission(command);
  if (known.is_for(command, venue.definitions)) [[likely]] {
    return &known;
  }
  return find_admission(venue, reinterpret_cast<const commands::Header&>(command),
                        command.instrument, known, refused);
}

// Whether a kill switch is on that stops new and amended orders of an admitted session.
[[nodiscard]] inline bool refuses_killed(Venue& venue, const Admission& admission,
                                         std::uint32_t session, bool is_instrument_killed,
                                         Refused& refused) {
  if (!(admission.is_killed | is_instrument_killed)) [[likely]] {
    return false;
  }
  const Account& asker = venue.accounts[admission.account];
  return refused.because(venue.is_killed                        ? code::VENUE_KILLED
                         : venue.firms[asker.firm].is_killed    ? code::FIRM_KILLED
                         : asker.is_killed                      ? code::ACCOUNT_KILLED
                         : venue.find_session(session)->is_killed ? code::SESSION_KILLED
                                                                : code::INSTRUMENT_KILLED);
}

// Whether the account's throttle would not admit one more message now.
[[nodiscard]] inline bool exceeds_rate(const Venue& venue, const Account& account,
                                       Refused& refused) {
  const std::int64_t interval_ns = account.message_interval_ns;
  if (interval_ns == 0 || account.message_burst == 0) {
    return false;
  }
  const std::int64_t now_ns = venue.last_time_ns;
  const std::int64_t ahead_ns = account.next_free_ns - now_ns;
  if (ahead_ns > (std::int64_t{account.message_burst} - 1) * interval_ns) [[unlikely]] {
    const std::int64_t pending = (ahead_ns - 1) / interval_ns + 1;
    return refused.because(code::MESSAGE_RATE_EXCEEDED, account.message_burst,
                           Wide{pending} + 1);
  }
  return false;
}

// Count one message of the account, or refuse it; a refused one costs nothing.
[[nodiscard]] inline bool refuses_rate(const Venue& venue, Account& account, Refused& refused) {
  const std::int64_t interval_ns = account.message_interval_ns;
  if (interval_ns == 0 || account.message_burst == 0) {
    return false;
  }
  if (exceeds_rate(venue, account, refused)) [[unlikely]] {
    return true;
  }
  account.next_free_ns = std::max(venue.last_time_ns, account.next_free_ns) + interval_ns;
  return false;
}

// Whether a buy of `more_lots` more takes the account beyond its largest position.
[[nodiscard]] inline bool refuses_buying(const Balance& base, bool is_buy, std::int64_t more_lots,
                                         std::int64_t lot_atoms, Refused& refused) {
  return is_buy && more_lots > 0 &&
         refuses_position(base.balance_atoms, base.buying_atoms, more_lots * lot_atoms,
                          base.position_max_atoms, refused);
}

// Whether a post-only order at a price would take, now or at an uncross.
[[nodiscard]] inline bool refuses_post_only(Instrument& instrument, std::uint8_t side,
                                            std::uint32_t order_flags, std::int64_t price_ticks,
                                            Refused& refused) {
  if ((order_flags & POST_ONLY) == 0) [[likely]] {
    return false;
  }
  const BookSide& opposite = instrument.book.opposite(side);
  if (opposite.empty() || !opposite.reaches(opposite.best_ticks(), price_ticks)) {
    return false;
  }
  return refused.because(code::POST_ONLY_WOULD_TAKE, opposite.best_ticks(), price_ticks);
}

// An account's order, open or remembered, by its number or else by any of its ids; 0 for none.
[[nodiscard]] inline std::uint32_t find_order(Venue& venue, std::uint32_t account,
                                              std::uint64_t order_id,
                                              const Text<40>& client_order_id) {
  if (order_id != 0) [[likely]] {
    const std::uint32_t index = venue.order_ids.find(order_id);
    return index != 0 && venue.orders.hot(index).account == account ? index : 0;
  }
  const std::uint32_t hash =
      venue.client_ids.hash(venue.accounts[account].number, client_order_id);
  const std::uint32_t node = venue.client_ids.find(hash, account, client_order_id);
  return node == 0 ? 0 : venue.client_ids.node(node).order;
}

// Whether a request names no open order, or not the one that it thinks it names.
template <class Command>
[[nodiscard]] bool refuses_target(Venue& venue, const Command& command, std::uint32_t order_index,
                                  Refused& refused) {
  if (order_index == 0) [[unlikely]] {
    return refused.because(code::ORDER_UNKNOWN);
  }
  const HotOrder& order = venue.orders.hot(order_index);
  const std::uint32_t instrument = venue.instruments[order.instrument]->number;
  if (command.instrument != 0 && command.instrument != instrument) [[unlikely]] {
    return refused.because(code::INSTRUMENT_MISMATCH, instrument, command.instrument);
  }
  if (command.side != 0 && command.side != order.side) [[unlikely]] {
    return refused.because(code::SIDE_MISMATCH, order.side, command.side);
  }
  if (!order.is_open()) [[unlikely]] {
    return refused.because(code::ORDER_ALREADY_DONE, 0, order.status);
  }
  return false;
}

// Whether a request's own id is malformed or not new; none given is well.
[[nodiscard]] inline bool refuses_request_id(const Venue& venue, std::uint32_t account,
                                             std::uint32_t hash, const Text<40>& text,
                                             bool is_needed, Refused& refused) {
  if (is_client_id(text)) [[likely]] {
    return refuses_client_id(venue, account, hash, text, is_needed, refused);
  }
  return text != NO_CLIENT_ID && refused.because(code::CLIENT_ORDER_ID_INVALID);
}

// Cancel open orders, the smallest order number first; return how many.
std::uint32_t cancel_all(Venue& venue, std::vector<std::uint32_t> orders, std::uint8_t reason,
                         const Origin& origin = NOBODY);

// Call `use(index)` for each of an account's open orders, in no order.
template <class Use>
void each_open_order(const Account& account, Use use) {
  for (const std::uint32_t index : account.orders) {
    use(index);
  }
}

// Cancel what a lost connection should take with it; return how many orders went.
// Cancel what was kept for a session that did not come back within its grace.
void run_out_of_grace(Venue& venue, Session& session);

// What configure_venue demands, and a restored state too: a stamp and a duration fit 64 bits.
template <class Record>
[[nodiscard]] bool refuses_configuration(const Record& wanted, Refused& refused) noexcept {
  if (!is_bound(wanted.client_id_window_ns) || !is_bound(wanted.indicative_interval_ns) ||
      wanted.day_offset_ns < 0 || wanted.day_offset_ns >= DAY_NS) {
    return refused.because(code::LIMITS_INVALID);
  }
  return wanted.open_orders_max > OPEN_ORDERS_MAX &&
         refused.because(code::LIMITS_INVALID, OPEN_ORDERS_MAX, wanted.open_orders_max);
}

// What set_instrument_limits demands of bounds, and a restored state too.
[[nodiscard]] bool are_limits_in_order(const InstrumentLimits& limits) noexcept;
[[nodiscard]] std::int64_t largest_order(std::int64_t price_ceiling,
                                         std::int64_t quantity_ceiling, std::int64_t lot_atoms,
                                         std::int64_t tick_lot_atoms) noexcept;

template <class Event>
void fill_limits(Event& event, const Instrument& instrument) noexcept {
  const InstrumentLimits& limits = instrument.limits;
  event.instrument = instrument.number;
  event.orders_max = limits.orders_max;
  event.price_ticks_min = limits.price_ticks_min;
  event.price_ticks_max = limits.price_ticks_max;
  event.quantity_lots_min = limits.quantity_lots_min;
  event.quantity_lots_max = limits.quantity_lots_max;
  event.notional_min_atoms = limits.notional_min_atoms;
  event.notional_max_atoms = limits.notional_max_atoms;
  event.display_lots_min = limits.display_lots_min;
  event.reference_ticks = limits.reference_ticks;
  event.collar_ppm = limits.collar_ppm;
  event.protection_ppm = limits.protection_ppm;
  event.band_ppm = limits.band_ppm;
  event.spare_1 = 0;
  event.band_window_ns = limits.band_window_ns;
  event.halt_ns = limits.halt_ns;
  event.auction_ns = limits.auction_ns;
}

// And back: from a command, an event or a snapshot's record.
template <class Record>
[[nodiscard]] InstrumentLimits limits_of(const Record& record) noexcept {
  InstrumentLimits limits;
  limits.orders_max = record.orders_max;
  limits.price_ticks_min = record.price_ticks_min;
  limits.price_ticks_max = record.price_ticks_max;
  limits.quantity_lots_min = record.quantity_lots_min;
  limits.quantity_lots_max = record.quantity_lots_max;
  limits.notional_min_atoms = record.notional_min_atoms;
  limits.notional_max_atoms = record.notional_max_atoms;
  limits.display_lots_min = record.display_lots_min;
  limits.reference_ticks = record.reference_ticks;
  limits.collar_ppm = record.collar_ppm;
  limits.protection_ppm = record.protection_ppm;
  limits.band_ppm = record.band_ppm;
  limits.band_window_ns = record.band_window_ns;
  limits.halt_ns = record.halt_ns;
  limits.auction_ns = record.auction_ns;
  return limits;
}

template <class Event>
void fill_protection(Event& event, const Venue& venue, const Protection& protection) noexcept {
  event.account = venue.accounts[protection.account].number;
  event.protection_group = protection.number;
  event.base_asset = protection.base_asset;
  event.quote_asset = protection.quote_asset;
  event.quantity_max_atoms = protection.quantity_max_atoms;
  event.notional_max_atoms = protection.notional_max_atoms;
  event.delta_max_atoms = protection.delta_max_atoms;
  event.window_ns = protection.window_ns;
  event.frozen_ns = protection.frozen_ns;
  event.trades_max = protection.trades_max;
}

// Whether a protection group may have such limits: a notional has an asset, a window some length.
template <class Record>
[[nodiscard]] bool refuses_protection_limits(const Record& wanted, Refused& refused) noexcept {
  if (!is_bound(wanted.quantity_max_atoms) || !is_bound(wanted.notional_max_atoms) ||
      !is_bound(wanted.delta_max_atoms) || !is_amount(wanted.window_ns) ||
      !is_bound(wanted.frozen_ns) ||
      (wanted.notional_max_atoms != 0 && wanted.quote_asset == 0) ||
      wanted.base_asset == wanted.quote_asset) {
    return refused.because(code::LIMITS_INVALID);
  }
  return wanted.trades_max > PROTECTION_TRADES_MAX &&
         refused.because(code::LIMITS_INVALID, PROTECTION_TRADES_MAX, wanted.trades_max);
}

// Make a protection group of a command or a snapshot's record: it counts from nothing, unfrozen.
template <class Record>
std::uint32_t add_protection(Venue& venue, const Record& record, std::uint32_t account) {
  const std::uint32_t index = venue.protections.add(
      record.account, {.account = account,
                       .number = record.protection_group,
                       .base_asset = record.base_asset,
                       .quote_asset = record.quote_asset,
                       .quantity_max_atoms = record.quantity_max_atoms,
                       .notional_max_atoms = record.notional_max_atoms,
                       .delta_max_atoms = record.delta_max_atoms,
                       .window_ns = record.window_ns,
                       .frozen_ns = record.frozen_ns,
                       .frozen_until_ns = 0,
                       .trades_max = record.trades_max,
                       .is_frozen = false});
  std::vector<std::uint32_t>& known = venue.accounts[account].protections;
  const auto at = std::lower_bound(known.begin(), known.end(), record.protection_group,
                                   [&venue](std::uint32_t each, std::uint32_t number) {
                                     return venue.protections[each].number < number;
                                   });
  known.insert(at, index);
  return index;
}

// Whether a quote in an instrument may not stand in a protection group now; group 0 is none.
[[nodiscard]] bool refuses_protection(const Venue& venue, std::uint32_t account_number,
                                      std::uint32_t group, const Instrument& instrument,
                                      Refused& refused);

template <class Event>
void fill_instrument(Event& event, const Venue& venue, const Instrument& instrument) noexcept {
  event.instrument = instrument.number;
  event.base_asset = venue.assets[instrument.base_asset].number;
  event.quote_asset = venue.assets[instrument.quote_asset].number;
  event.fee_schedule = instrument.fee_schedule;
  event.lot_atoms = instrument.lot_atoms;
  event.tick_lot_atoms = instrument.tick_lot_atoms;
  event.tick_units = instrument.tick_units;
  event.lot_units = instrument.lot_units;
  event.price_decimals = instrument.price_decimals;
  event.quantity_decimals = instrument.quantity_decimals;
  event.spare_1 = 0;
  event.spare_2 = 0;
  event.symbol = instrument.symbol;
}

template <class Event>
void fill_grant(Event& event, const Venue& venue, const Session& session, std::uint32_t account,
                std::uint32_t rights) noexcept {
  event.account = account;
  event.session = session.number;
  event.rights = static_cast<std::uint8_t>(rights);
  event.cancel_on_disconnect = static_cast<std::uint8_t>(session.cancel_on_disconnect);
  event.firm = venue.firms[session.firm].number;
  event.disconnect_grace_ns = session.disconnect_grace_ns;
  event.name = session.name;
}

// Make an instrument of a command or a snapshot's record, all of whose references are known.
template <class Record>
Instrument& add_instrument(Venue& venue, const Record& record) {
  auto made = std::make_unique<Instrument>(venue.orders);
  made->number = record.instrument;
  made->index = static_cast<std::uint32_t>(venue.instruments.size());
  made->base_asset = venue.asset_numbers.find(record.base_asset);
  made->quote_asset = venue.asset_numbers.find(record.quote_asset);
  made->fee_schedule = record.fee_schedule;
  const FeeSchedule& schedule = *venue.find_fee_schedule(record.fee_schedule);
  made->maker_ppm = schedule.maker_ppm;
  made->taker_ppm = schedule.taker_ppm;
  made->lot_atoms = record.lot_atoms;
  made->tick_lot_atoms = record.tick_lot_atoms;
  made->tick_units = record.tick_units;
  made->lot_units = record.lot_units;
  made->price_decimals = record.price_decimals;
  made->quantity_decimals = record.quantity_decimals;
  made->symbol = record.symbol;
  venue.instrument_numbers.set(record.instrument, made->index);
  venue.instruments.push_back(std::move(made));
  return *venue.instruments.back();
}

// What all accounts may owe of an asset, receivables too. Nothing but a new line or receivable makes
// this grow: within a line what is used stays within it, and beyond one it only falls. So bounding
// it bounds every balance.
[[nodiscard]] Wide lent_atoms(Venue& venue, Asset& asset);

// The lowest rates of all fee schedules. Any two can meet in a trade, and none ever goes.
struct RateExtremes {
  std::int32_t maker_ppm;
  std::int32_t taker_ppm;
};
[[nodiscard]] RateExtremes extremes_with(const Venue& venue, std::int32_t maker_ppm,
                                         std::int32_t taker_ppm) noexcept;

// Whether the largest rebate is more than the lowest fee: a fill could pay out more than it takes.
[[nodiscard]] bool refuses_rebate(const RateExtremes& lowest, Refused& refused) noexcept;

// Let an account's orders use a schedule in an instrument, or in all others for zero.
void assign_schedule(Account& account, std::uint32_t instrument, std::uint32_t fee_schedule);

// Give a session rights on an account; zero takes them away.
void set_rights(Session& session, std::uint32_t account, std::uint32_t rights);

// Indexes of numbered things, by ascending number.
template <class Things>
[[nodiscard]] std::vector<std::uint32_t> by_number(const Things& things) {
  std::vector<std::uint32_t> indexes(things.size());
  for (std::uint32_t index = 0; index < indexes.size(); ++index) {
    indexes[index] = index;
  }
  const auto number = [&](std::uint32_t index) {
    if constexpr (requires { things[index]->number; }) {
      return things[index]->number;
    } else {
      return things[index].number;
    }
  };
  std::sort(indexes.begin(), indexes.end(), [&](std::uint32_t left, std::uint32_t right) {
    return number(left) < number(right);
  });
  return indexes;
}

}  // namespace core
