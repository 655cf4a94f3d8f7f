// Mass quotes: many two-sided quotes of one account, replaced by one command. First what is
// replaced leaves its books, then each entry is judged and opened, then all is acknowledged, and
// only then do the new sides act: so an acknowledgement comes before what its quotes trade.
#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "core/entry.hpp"
#include "core/handlers.hpp"
#include "core/matching.hpp"
#include "core/order_events.hpp"
#include "core/suspensions.hpp"

namespace core {

namespace {

using Entry = commands::EnterQuote;

constexpr std::array<std::uint8_t, 2> SIDES{side::BUY, side::SELL};

[[nodiscard]] bool is_given(const Entry& entry, std::uint8_t which) noexcept {
  return (entry.quote_flags & (which == side::BUY ? GIVES_BID : GIVES_ASK)) != 0;
}
[[nodiscard]] std::int64_t lots_of(const Entry& entry, std::uint8_t which) noexcept {
  return which == side::BUY ? entry.bid_lots : entry.ask_lots;
}
[[nodiscard]] std::int64_t price_of(const Entry& entry, std::uint8_t which) noexcept {
  return which == side::BUY ? entry.bid_price_ticks : entry.ask_price_ticks;
}

// Whether the gateway says by its own code why it could not read an entry.
[[nodiscard]] bool is_unreadable(const Entry& entry) noexcept {
  constexpr std::uint8_t KNOWN = GIVES_BID | GIVES_ASK | MAY_TAKE | UNREADABLE;
  return (entry.quote_flags & ~KNOWN) == 0 && (entry.quote_flags & UNREADABLE) != 0 &&
         entry.valid_until_ns >= 1000 && entry.valid_until_ns < 2000;
}

// What the sides of an entry's quote go by; both ids are in range.
[[nodiscard]] Text<40> name_of(const Entry& entry) noexcept {
  Text<40> name{};
  const Text<40> quote_id = entry.quote_id;
  const Text<40> entry_id = entry.entry_id;
  const std::size_t size = size_of_text(quote_id);
  std::memcpy(name.data(), quote_id.data(), size);
  name[size] = QUOTE_SEPARATOR;
  std::memcpy(name.data() + size + 1, entry_id.data(), size_of_text(entry_id));
  return name;
}

// Whether an entry's ids are malformed, or too long together.
[[nodiscard]] bool refuses_ids(const Entry& entry, Refused& refused) noexcept {
  const Text<40> quote_id = entry.quote_id;
  const Text<40> entry_id = entry.entry_id;
  if (!is_client_id(quote_id) || !is_client_id(entry_id) ||
      std::find(entry_id.begin(), entry_id.end(), QUOTE_SEPARATOR) != entry_id.end()) {
    return refused.because(code::QUOTE_ID_INVALID);
  }
  const std::size_t entry_size = size_of_text(entry_id);
  if (entry_size > ENTRY_ID_SIZE) {
    return refused.because(code::QUOTE_ID_INVALID, ENTRY_ID_SIZE, static_cast<Wide>(entry_size));
  }
  const std::size_t size = size_of_text(quote_id) + 1 + entry_size;
  return size > QUOTE_NAME_SIZE &&
         refused.because(code::QUOTE_ID_INVALID, QUOTE_NAME_SIZE, static_cast<Wide>(size));
}

// Begin to answer a mass quote, as if no entry of it had been judged.
events::MassQuoteAcknowledged& emit_acknowledgement(Venue& venue,
                                                    const commands::GroupHeader& header) {
  const Entry& first = *reinterpret_cast<const Entry*>(&header + 1);
  auto& event = venue.events.emit_zeroed<events::MassQuoteAcknowledged>();
  event.account = header.account;
  event.session = header.session;
  event.connection = header.connection;
  event.response = first.response;
  event.entries = header.group_left;
  event.quote_id = first.quote_id;
  return event;
}

// The new sides of an entry.
struct NewSides {
  std::array<commands::PlaceOrder, 2> orders;
  std::array<NewOrder, 2> decided;
  std::size_t count = 0;
};

// One mass quote of an account that may ask.
class Quoting {
 public:
  Quoting(Venue& venue, const commands::GroupHeader& header, std::uint32_t account)
      : venue_(venue),
        header_(header),
        entries_(reinterpret_cast<const Entry*>(&header + 1), header.group_left),
        account_(account) {}

  void judge() {
    for (std::size_t place = 0; place < entries_.size(); ++place) {
      take_name(place);
    }
    for (std::size_t place = 0; place < entries_.size(); ++place) {
      lift(place);
    }
    for (std::size_t place = 0; place < entries_.size(); ++place) {
      enter(place);
    }
  }

  // Say what became of all entries, as many as one event holds at a time.
  void acknowledge() {
    for (std::size_t first = 0; first < entries_.size(); first += OUTCOMES_PER_EVENT) {
      const std::size_t count = std::min(OUTCOMES_PER_EVENT, entries_.size() - first);
      auto& event = emit_acknowledgement(venue_, header_);
      event.accepted = accepted_;
      event.first = static_cast<std::uint16_t>(first);
      event.count = static_cast<std::uint16_t>(count);
      std::memcpy(event.outcomes.data(), &outcomes_[first], count * sizeof(QuoteOutcome));
    }
  }

  // Let the new sides act, but those that went meanwhile: a protection group may have been frozen.
  // What one traded may have set off stops that rest opposite now, so a post-only one looks again.
  void act_all() {
    for (std::size_t place = 0; place < entering_count_; ++place) {
      const std::uint32_t index = entering_[place];
      const HotOrder& order = venue_.orders.hot(index);
      if (!order.is_open()) {
        continue;
      }
      Instrument& instrument = *venue_.instruments[order.instrument];
      Refused refused;
      if (refuses_post_only(instrument, order.side, order.order_flags, order.price_ticks,
                            refused)) {
        cancel_order(venue_, index, cancel_reason::POST_ONLY);
      } else {
        act(venue_, index, instrument);
      }
    }
  }

 private:
  struct Named {
    QuoteKey key;
    Refused refused;

    [[nodiscard]] bool is_valid() const noexcept { return refused.code == code::NONE; }
  };

  void take_name(std::size_t place) {
    const Entry& entry = entries_[place];
    Named& named = named_[place];
    named.refused = {};
    if (refuses_ids(entry, named.refused)) {
      return;
    }
    const Text<40> entry_id = entry.entry_id;
    named.key.text = QuoteKey::join(entry_id.data(), size_of_text(entry_id), entry.instrument);
    named.key.hash = venue_.quotes.hash(header_.account, named.key.text);
    for (std::size_t before = 0; before < place; ++before) {
      const Named& other = named_[before];
      if (other.is_valid() && other.key.hash == named.key.hash &&
          other.key.text == named.key.text) {
        named.refused.because(code::QUOTE_ENTRY_REPEATED);
        return;
      }
    }
  }

  // The sides that stand of what an entry gives, 0 for none.
  [[nodiscard]] std::array<std::uint32_t, 2> given(std::size_t place) {
    if (!named_[place].is_valid()) {
      return {};
    }
    const std::uint32_t found = venue_.quotes.find(account_, named_[place].key);
    if (found == 0) {
      return {};
    }
    const Quote quote = venue_.quotes[found];
    return {is_given(entries_[place], side::BUY) ? quote.bid : 0,
            is_given(entries_[place], side::SELL) ? quote.ask : 0};
  }

  // Whether a standing side stays in its queue: at its price, with no more than it has.
  [[nodiscard]] static bool keeps_place(const HotOrder& order, const Entry& entry) noexcept {
    const std::int64_t lots = lots_of(entry, order.side);
    return order.is_queued() && order.price_ticks == price_of(entry, order.side) && lots > 0 &&
           lots <= order.leaves_lots;
  }

  void withdraw(std::uint32_t index, std::uint8_t reason) {
    cancel_order(venue_, index, reason, {header_.session, header_.connection, {}});
  }

  // Take what an entry replaces or withdraws out of its book.
  void lift(std::size_t place) {
    const Entry& entry = entries_[place];
    for (const std::uint32_t index : given(place)) {
      if (index != 0 && !keeps_place(venue_.orders.hot(index), entry)) {
        const bool is_replaced = lots_of(entry, venue_.orders.hot(index).side) != 0;
        withdraw(index,
                 is_replaced ? cancel_reason::QUOTE_REPLACED : cancel_reason::QUOTE_WITHDRAWN);
      }
    }
  }

  // Accept an entry, both sides or none, and open what is new of it.
  void enter(std::size_t place) {
    NewSides sides;
    Refused refused = named_[place].refused;
    if (!named_[place].is_valid() || refuses_entry(place, sides, refused)) {
      for (const std::uint32_t index : given(place)) {
        if (index != 0) {
          withdraw(index, cancel_reason::QUOTE_WITHDRAWN);
        }
      }
      note(place, refused);
      return;
    }
    for (const std::uint32_t index : given(place)) {
      if (index != 0) {
        keep(index, entries_[place]);
      }
    }
    for (std::size_t each = 0; each < sides.count; ++each) {
      open(place, sides, each);
    }
    ++accepted_;
    note(place, refused);
  }

  [[nodiscard]] bool refuses_entry(std::size_t place, NewSides& sides, Refused& refused) {
    const Entry& entry = entries_[place];
    if (is_unreadable(entry)) {
      return refused.because(static_cast<std::uint16_t>(entry.valid_until_ns), 0,
                             entry.bid_price_ticks);
    }
    constexpr std::uint8_t GIVES = GIVES_BID | GIVES_ASK;
    if ((entry.quote_flags & ~(GIVES | MAY_TAKE)) != 0 || (entry.quote_flags & GIVES) == 0 ||
        entry.self_trade_prevention > self_trade::DECREMENT_AND_CANCEL) {
      return refused.because(code::FIELD_INVALID);
    }
    if (entry.valid_until_ns != 0 && venue_.last_time_ns > entry.valid_until_ns) {
      return refused.because(code::EXPIRY_INVALID, entry.valid_until_ns, venue_.last_time_ns);
    }
    Instrument* instrument = venue_.find_instrument(entry.instrument);
    if (instrument == nullptr) {
      return refused.because(code::INSTRUMENT_UNKNOWN);
    }
    const auto is_wanted = [&entry](std::uint8_t which) {
      return is_given(entry, which) && lots_of(entry, which) != 0;
    };
    if (!is_wanted(side::BUY) && !is_wanted(side::SELL)) {
      return false;  // what only goes may always go
    }
    if (instrument->is_killed) {
      return refused.because(code::INSTRUMENT_KILLED);
    }
    for (const std::uint8_t which : SIDES) {
      if (is_wanted(which) && refuses_suspended(venue_, header_.session, header_.account,
                                                instrument->number, which, refused)) {
        return true;
      }
    }
    if (refuses_protection(venue_, header_.account, entry.protection_group, *instrument,
                           refused)) {
      return true;
    }
    const std::uint32_t found = venue_.quotes.find(account_, named_[place].key);
    Quote standing = found == 0 ? Quote{} : venue_.quotes[found];
    for (const std::uint8_t which : SIDES) {
      if (is_wanted(which)) {
        commands::PlaceOrder& order = sides.orders[sides.count];
        fill_side(order, entry, which);
        if (refuses_alone(*instrument, order, refused)) {
          return true;
        }
        sides.count += standing.side(which) == 0 ? 1 : 0;
      }
    }
    return refuses_crossed(entry, standing, refused) ||
           refuses_orders(*instrument, sides, refused);
  }

  // What an entry's side would be as an order of its own.
  void fill_side(commands::PlaceOrder& order, const Entry& entry, std::uint8_t which) const {
    std::memcpy(static_cast<void*>(&order), &header_, sizeof(commands::Header));
    std::memset(reinterpret_cast<std::byte*>(&order) + sizeof(commands::Header), 0,
                sizeof(order) - sizeof(commands::Header));
    order.instrument = entry.instrument;
    order.side = which;
    order.order_type = order_type::LIMIT;
    order.time_in_force = time_in_force::GOOD_TILL_CANCEL;
    order.self_trade_prevention = entry.self_trade_prevention;
    order.order_flags = (entry.quote_flags & MAY_TAKE) != 0 ? 0 : POST_ONLY;
    order.trader = entry.trader;
    order.price_ticks = price_of(entry, which);
    order.quantity_lots = lots_of(entry, which);
  }

  // Whether a side is no order that the instrument takes, whatever else stands.
  [[nodiscard]] bool refuses_alone(Instrument& instrument, const commands::PlaceOrder& order,
                                   Refused& refused) const {
    if (refuses_phase(instrument.phase, order, refused) ||
        refuses_terms(order, instrument.limits, venue_.last_time_ns, refused) ||
        refuses_price(instrument, order, refused)) {
      return true;
    }
    const std::int64_t notional_atoms =
        order.price_ticks * order.quantity_lots * instrument.tick_lot_atoms;
    return refuses_notional(notional_atoms, instrument.limits, refused);
  }

  // Whether a quote's bid would reach its own ask, given now or standing already.
  [[nodiscard]] bool refuses_crossed(const Entry& entry, Quote& standing, Refused& refused) {
    const auto price_with = [&](std::uint8_t which) -> std::int64_t {
      if (is_given(entry, which)) {
        return lots_of(entry, which) != 0 ? price_of(entry, which) : 0;
      }
      const std::uint32_t index = standing.side(which);
      return index == 0 ? 0 : venue_.orders.hot(index).price_ticks;
    };
    const std::int64_t bid_ticks = price_with(side::BUY);
    const std::int64_t ask_ticks = price_with(side::SELL);
    return bid_ticks != 0 && ask_ticks != 0 && bid_ticks >= ask_ticks &&
           refused.because(code::QUOTE_CROSSED, ask_ticks, bid_ticks);
  }

  [[nodiscard]] bool refuses_orders(Instrument& instrument, NewSides& sides, Refused& refused) {
    const Account& account = venue_.accounts[account_];
    for (std::uint32_t place = 0; place < sides.count; ++place) {
      const commands::PlaceOrder& order = sides.orders[place];
      NewOrder& decided = sides.decided[place];
      decided.asker = admit(venue_, order, refused);  // the group's check has found nothing
      const Admission& asker = *decided.asker;
      const bool is_buy = order.side == side::BUY;
      decided.price_ticks = order.price_ticks;
      decided.quantity_lots = order.quantity_lots;
      decided.held_atoms =
          is_buy ? hold_buy(order.price_ticks * order.quantity_lots * instrument.tick_lot_atoms,
                            std::max({asker.maker_ppm, asker.taker_ppm, 0}), 0)
                 : order.quantity_lots * instrument.lot_atoms;
      const Balance& holding = venue_.balances[is_buy ? asker.quote : asker.base];
      if (refuses_counts(venue_, account, instrument, refused, place) ||
          refuses_buying(venue_.balances[asker.base], is_buy, order.quantity_lots,
                         instrument.lot_atoms, refused) ||
          refuses_funds(holding.available_atoms(), decided.held_atoms, refused) ||
          refuses_post_only(instrument, order.side, order.order_flags, order.price_ticks,
                            refused)) {
        return true;
      }
    }
    return false;
  }

  // Let a standing side stay in its place, with no more lots than it had.
  void keep(std::uint32_t index, const Entry& entry) {
    HotOrder& order = venue_.orders.hot(index);
    ColdOrder& cold = venue_.orders.cold(index);
    const Instrument& instrument = *venue_.instruments[order.instrument];
    const std::int64_t less_lots = order.leaves_lots - lots_of(entry, order.side);
    if (less_lots != 0) {
      reduce_resting(venue_, index, less_lots);
      cold.quantity_lots -= less_lots;
      if (order.is_buy()) {
        venue_.balances[cold.base].buying_atoms -= less_lots * instrument.lot_atoms;
      }
      change_hold(venue_, order, cold,
                  hold_of(order, cold, instrument, order.leaves_lots, order.price_ticks,
                          cold.maker_ppm, cold.taker_ppm));
    }
    Text<40>& name = venue_.client_ids.node(cold.ids.current).text;
    const Text<40> previous_name = name;
    name = name_of(entry);
    cold.session = header_.session;
    cold.connection = header_.connection;
    cold.trader = entry.trader;
    order.self_trade_prevention = entry.self_trade_prevention != 0
                                      ? entry.self_trade_prevention
                                      : venue_.accounts[account_].self_trade_prevention;
    order.order_flags = QUOTE_SIDE | ((entry.quote_flags & MAY_TAKE) != 0 ? 0 : POST_ONLY);
    venue_.orders.quoted(index).protection =
        venue_.protections.find(header_.account, entry.protection_group);
    auto& event = emit_order<events::OrderAmended>(venue_, index);
    event.origin_session = header_.session;
    event.origin_connection = header_.connection;
    event.kept_priority = 1;
    event.spare_1 = 0;
    event.spare_2 = 0;
    event.spare_3 = 0;
    event.previous_client_order_id = previous_name;
  }

  void open(std::size_t place, NewSides& sides, std::size_t which) {
    commands::PlaceOrder& command = sides.orders[which];
    command.order_flags |= QUOTE_SIDE;
    const std::uint32_t index = venue_.orders.allocate();
    HotOrder& order = venue_.orders.hot(index);
    ColdOrder& cold = venue_.orders.cold(index);
    fill_order(venue_, order, cold, command, sides.decided[which]);
    order.order_id = ++venue_.last_order_id;
    order.price_ticks = command.price_ticks;
    order.held_atoms = sides.decided[which].held_atoms;
    cold.arrival = ++venue_.last_arrival;
    venue_.holding(order, cold).held_atoms += order.held_atoms;
    join_quote(venue_, index, named_[place].key, name_of(entries_[place]));
    venue_.orders.quoted(index).protection =
        venue_.protections.find(header_.account, entries_[place].protection_group);
    venue_.order_ids.add(order.order_id, index);
    Instrument& instrument = *venue_.instruments[order.instrument];
    count_order(venue_, index, venue_.accounts[account_], instrument);
    if (order.is_buy()) {
      venue_.balances[cold.base].buying_atoms += order.leaves_lots * instrument.lot_atoms;
    }
    emit_order<events::OrderAccepted>(venue_, index);
    entering_[entering_count_++] = index;
  }

  // Note what became of an entry; nothing refuses it where there is no code.
  void note(std::size_t place, const Refused& refused) {
    const Entry& entry = entries_[place];
    const std::uint32_t found =
        named_[place].is_valid() ? venue_.quotes.find(account_, named_[place].key) : 0;
    const Quote quote = found == 0 ? Quote{} : venue_.quotes[found];
    QuoteOutcome& outcome = outcomes_[place];
    outcome = {};
    std::memcpy(outcome.entry_id.data(), entry.entry_id.data(), outcome.entry_id.size());
    outcome.instrument = entry.instrument;
    outcome.protection_group = entry.protection_group;
    outcome.code = refused.code;
    outcome.stands = static_cast<std::uint8_t>((quote.bid != 0 ? GIVES_BID : 0) |
                                               (quote.ask != 0 ? GIVES_ASK : 0));
    outcome.limit = refused.limit;
    outcome.usage = refused.usage;
  }

  Venue& venue_;
  const commands::GroupHeader& header_;
  std::span<const Entry> entries_;
  std::uint32_t account_;
  std::uint16_t accepted_ = 0;
  std::array<Named, GROUP_MEMBERS_MAX> named_;
  std::array<QuoteOutcome, GROUP_MEMBERS_MAX> outcomes_;
  std::array<std::uint32_t, 2 * GROUP_MEMBERS_MAX> entering_;
  std::size_t entering_count_ = 0;
};

// Whether the session may not quote for the account now.
bool refuses_quoting(Venue& venue, const commands::GroupHeader& header, std::uint32_t account,
                     Refused& refused) {
  Session* session = nullptr;
  if (refuses_session(venue, header, account, session, refused)) {
    return true;
  }
  Account& asker = venue.accounts[account];
  if (venue.is_killed) {
    return refused.because(code::VENUE_KILLED);
  }
  if (venue.firms[asker.firm].is_killed) {
    return refused.because(code::FIRM_KILLED);
  }
  if (asker.is_killed) {
    return refused.because(code::ACCOUNT_KILLED);
  }
  if (session->is_killed) {
    return refused.because(code::SESSION_KILLED);
  }
  return refuses_rate(venue, asker, refused);
}

}  // namespace

void mass_quote(Venue& venue, const commands::GroupHeader& header) {
  Refused refused;
  if (header.group_kind != group_kind::MASS_QUOTE) {
    refused.because(code::NOT_SUPPORTED, group_kind::MASS_QUOTE, header.group_kind);
    reject_command(venue, header, refused, header.group_kind);
    return;
  }
  const std::uint32_t account = venue.find_account(header.account);
  if (refuses_quoting(venue, header, account, refused)) {
    auto& event = emit_acknowledgement(venue, header);
    event.code = refused.code;
    event.limit = refused.limit;
    event.usage = refused.usage;
    return;
  }
  Quoting quoting(venue, header, account);
  quoting.judge();
  quoting.acknowledge();
  quoting.act_all();
}

void cancel_quotes(Venue& venue, const commands::CancelQuotes& command) {
  const std::uint32_t account = venue.find_account(command.account);
  Refused refused;
  Session* session = nullptr;
  const bool needs_instrument =
      command.scope == quote_scope::INSTRUMENT || command.scope == quote_scope::ENTRY;
  if (refuses_session(venue, command, account, session, refused) ||
      ((command.scope < quote_scope::ALL || command.scope > quote_scope::ENTRY) &&
       refused.because(code::SCOPE_INVALID, 0, command.scope)) ||
      (needs_instrument && venue.find_instrument(command.instrument) == nullptr &&
       refused.because(code::INSTRUMENT_UNKNOWN))) {
    reject_quoting(venue, command, refused);
    return;
  }
  const std::uint32_t group = venue.protections.find(command.account, command.protection_group);
  const bool is_group_known = group != 0 || command.protection_group == 0;
  const Text<40> entry_id = command.entry_id;
  std::uint32_t named = 0;
  if (is_client_id(entry_id)) {
    const Text<40> key =
        QuoteKey::join(entry_id.data(), size_of_text(entry_id), command.instrument);
    named = venue.quotes.find(account, {key, venue.quotes.hash(command.account, key)});
  }
  const auto is_in = [&](std::uint32_t index) {
    const HotOrder& order = venue.orders.hot(index);
    switch (command.scope) {
      case quote_scope::INSTRUMENT:
        return venue.instruments[order.instrument]->number == command.instrument;
      case quote_scope::PROTECTION_GROUP:
        return is_group_known && venue.orders.quoted(index).protection == group;
      case quote_scope::ENTRY:
        return named != 0 && venue.orders.quoted(index).quote == named;
      default:
        return true;
    }
  };
  std::vector<std::uint32_t> sides;
  each_open_order(venue.accounts[account], [&](std::uint32_t index) {
    if (venue.orders.hot(index).is_quoted() && is_in(index)) {
      sides.push_back(index);
    }
  });
  const Origin origin{command.session, command.connection, command.request_id};
  const std::uint32_t cancelled =
      cancel_all(venue, std::move(sides), cancel_reason::QUOTE_WITHDRAWN, origin);
  auto& event = venue.events.emit_zeroed<events::QuotesCancelled>();
  event.account = command.account;
  event.session = command.session;
  event.connection = command.connection;
  event.instrument = command.instrument;
  event.protection_group = command.protection_group;
  event.scope = command.scope;
  event.cancelled = cancelled;
  event.entry_id = command.entry_id;
  event.request_id = command.request_id;
}

}  // namespace core
