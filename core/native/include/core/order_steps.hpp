// The steps of an order's life that all handlers share: it is opened, named, queued and closed,
// and in the end forgotten.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/venue.hpp"

namespace core {

// What an order would tie up with such terms: quote of a buy, base of a sell.
[[nodiscard]] inline std::int64_t hold_of(const HotOrder& order, const ColdOrder& cold,
                                          const Instrument& instrument, std::int64_t leaves_lots,
                                          std::int64_t price_ticks, std::int32_t maker_ppm,
                                          std::int32_t taker_ppm) noexcept {
  if (order.is_buy()) {
    const std::int64_t rate_ppm = std::max({maker_ppm, taker_ppm, 0});
    return hold_buy(leaves_lots * price_ticks * instrument.tick_lot_atoms, rate_ppm,
                    cold.fee_credit);
  }
  return leaves_lots * instrument.lot_atoms;
}

// Let an order tie up `held_atoms` from here on.
inline void change_hold(Venue& venue, HotOrder& order, const ColdOrder& cold,
                        std::int64_t held_atoms) noexcept {
  venue.holding(order, cold).held_atoms += held_atoms - order.held_atoms;
  order.held_atoms = held_atoms;
}

// Whether one more id cannot be remembered: of the venue's, or of the account's share.
[[nodiscard]] inline bool refuses_id_room(const Venue& venue, const Account& account,
                                          Refused& refused) {
  const std::uint32_t limit = venue.configuration->client_ids_max;
  if (venue.client_ids.count() >= limit) [[unlikely]] {
    return refused.because(code::CLIENT_ORDER_ID_MEMORY_FULL, limit,
                           static_cast<Wide>(venue.client_ids.count()) + 1);
  }
  const std::uint32_t share = std::max(CLIENT_IDS_OF_ACCOUNT_MIN, limit / CLIENT_ID_SHARES);
  if (account.client_ids >= share) [[unlikely]] {
    return refused.because(code::CLIENT_ORDER_ID_MEMORY_FULL, share,
                           Wide{account.client_ids} + 1);
  }
  return false;
}

// Whether an account's client id is not new, or (when room is needed) cannot be remembered.
[[nodiscard]] inline bool refuses_client_id(const Venue& venue, std::uint32_t account,
                                            std::uint32_t hash, const Text<40>& text,
                                            bool is_needed, Refused& refused) {
  if (venue.client_ids.find(hash, account, text) != 0) [[unlikely]] {
    return refused.because(code::DUPLICATE_CLIENT_ORDER_ID);
  }
  return is_needed && refuses_id_room(venue, venue.accounts[account], refused);
}

// Let one more id name an order; return its node.
[[gnu::always_inline]] inline std::uint32_t attach_id(Venue& venue, std::uint32_t index,
                                                      std::uint32_t hash,
                                                      const Text<40>& text) {
  const std::uint32_t account = venue.orders.hot(index).account;
  const KnownId id = venue.client_ids.add(hash, account, text, index);
  ++venue.accounts[account].client_ids;
  venue.client_ids.append(venue.orders.cold(index).ids, id);
  return id.node();
}

// Put an open order into its account's list, and count it.
[[gnu::always_inline]] inline void count_order(Venue& venue, std::uint32_t index, Account& account,
                        Instrument& instrument) {
  venue.orders.place(index) = static_cast<std::uint32_t>(account.orders.size());
  account.orders.push_back(index);
  ++instrument.open_orders;
  ++venue.open_orders;
}

// Let an accepted order be known and counted; its hold is already taken.
[[gnu::always_inline]] inline void open_order(Venue& venue, std::uint32_t index, std::uint32_t hash,
                       const Text<40>& text, Instrument& instrument) {
  HotOrder& order = venue.orders.hot(index);
  ColdOrder& cold = venue.orders.cold(index);
  venue.order_ids.add(order.order_id, index);
  cold.ids.current = attach_id(venue, index, hash, text);
  count_order(venue, index, venue.accounts[order.account], instrument);
  if (order.is_buy()) {
    venue.balances[cold.base].buying_atoms += order.leaves_lots * instrument.lot_atoms;
  }
  if (cold.expires_at_ns != 0) [[unlikely]] {
    venue.deadlines.add_order(cold.expires_at_ns, index);
  }
}

// Make an order done: release what it held; its ids are remembered for a while. It has left its
// queue already. A side of a quote leaves its quote; unless a trade of it is kept, it is forgotten
// with the command.
void close_order(Venue& venue, std::uint32_t index, std::uint8_t status, std::uint8_t reason);

// Note that an order's level changes in this command.
[[gnu::always_inline]] inline void touch_level(Venue& venue, Instrument& instrument,
                                               BookSide& side, Level& level,
                                               std::int64_t price_ticks) {
  venue.events.touch(level, side, instrument.book.sequence, price_ticks, instrument.number);
}

// Take an open order out of the book or from among the waiting stops, where it is in one.
void leave_queue(Venue& venue, std::uint32_t index);

// Who asked that an order go, and by what id; nobody when the venue itself acts.
struct Origin {
  std::uint32_t session = 0;
  std::uint32_t connection = 0;
  Text<40> request_id{};
};
inline constexpr Origin NOBODY{};

// What self-trade prevention kept from trading: with which order, how much, at which price.
struct Prevented {
  std::uint64_t counter_order_id = 0;
  std::int64_t lots = 0;
  std::int64_t price_ticks = 0;
};
inline constexpr Prevented NOTHING_PREVENTED{};

template <class Event>
void fill_prevented(Event& event, const Prevented& prevented) noexcept {
  event.counter_order_id = prevented.counter_order_id;
  event.prevented_lots = prevented.lots;
  event.prevented_price_ticks = prevented.price_ticks;
}
inline constexpr Text<40> NO_CLIENT_ID{};

// Cancel an open order, wherever it is, and say so.
void cancel_order(Venue& venue, std::uint32_t index, std::uint8_t reason,
                  const Origin& origin = NOBODY,
                  const Prevented& prevented = NOTHING_PREVENTED);

// Let an open order's time end, wherever it is, and say so.
void expire_order(Venue& venue, std::uint32_t index, std::uint8_t reason);

// Remember the id of a mass cancel, which is gone as soon as it came.
void remember_mass_cancel(Venue& venue, std::uint32_t account, std::uint32_t hash,
                          const Text<40>& text, std::int64_t gone_at_ns);

// Remember a done order until its time to be forgotten comes. It gets no more ids.
inline void remember_done(Venue& venue, std::uint32_t index, std::int64_t gone_at_ns) {
  const HotOrder& order = venue.orders.hot(index);
  venue.gone.push({gone_at_ns, order.order_id, index, order.account,
                   venue.orders.cold(index).ids});
}

// Forget what went at least the configured window ago.
void forget_gone(Venue& venue);

// Forget the sides of quotes that are done, and that could not be busted or corrected: no id of the
// client's names them, but a kept trade does.
void forget_done_quotes(Venue& venue);

// Let a trade that is kept keep one of its orders known, if that is a side of a quote.
void keep_side(Venue& venue, std::uint32_t index, std::uint64_t trade_id);

// Let an order be a side of its account's quote of that name, which goes by `name`.
void join_quote(Venue& venue, std::uint32_t index, const QuoteKey& key, const Text<40>& name);

// Let a side of a quote go by a name.
void name_side(Venue& venue, std::uint32_t index, const Text<40>& name);

// Count a trade of a quote, and protect its maker when that reaches a limit.
void count_fill(Venue& venue, std::uint32_t index, std::int64_t base_atoms,
                std::int64_t notional_atoms);

// Let a protection group quote again because its time has come.
void thaw(Venue& venue, std::uint64_t number_among_all);

void add_stop(Venue& venue, std::uint32_t index);
void remove_stop(Venue& venue, std::uint32_t index);

}  // namespace core
