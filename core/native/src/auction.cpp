// Call auctions: the one price at which most would trade, and the uncross at it. Hidden quantity
// counts as much as displayed.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "core/matching.hpp"
#include "core/phases.hpp"

namespace core {

namespace {

// Orders that a round looks at for one step: self-trade prevention can make a round for each
// order, and each looks at all that cross.
constexpr std::size_t ORDERS_PER_STEP = 64;

struct PriceLots {
  std::int64_t price_ticks;
  std::int64_t lots;
};

// The levels of a side, best first, that reach the other side's best price.
std::vector<PriceLots> crossing(Venue& venue, BookSide& side, std::int64_t opposite_ticks,
                                std::size_t& looked_at) {
  std::vector<PriceLots> found;
  std::int64_t price_ticks = side.best_ticks();
  for (Level* level = &side.best();
       level != nullptr && side.reaches(price_ticks, opposite_ticks);
       level = side.behind(price_ticks, price_ticks)) {
    std::int64_t lots = 0;
    for (std::uint32_t index = level->head; index != 0; index = venue.orders.hot(index).next) {
      lots += venue.orders.hot(index).leaves_lots;
    }
    found.push_back({price_ticks, lots});
    looked_at += level->orders;
  }
  return found;
}

// What would happen at each price, the lowest first.
std::vector<Equilibrium> candidates_of(std::vector<PriceLots> buys,
                                       const std::vector<PriceLots>& sells) {
  std::reverse(buys.begin(), buys.end());  // both lowest first
  std::int64_t demand_lots = 0;
  for (const PriceLots& buy : buys) {
    demand_lots += buy.lots;
  }
  std::int64_t supply_lots = 0;
  std::vector<Equilibrium> found;
  auto buy = buys.begin();
  auto sell = sells.begin();
  while (buy != buys.end() || sell != sells.end()) {
    const bool is_buy_next =
        sell == sells.end() || (buy != buys.end() && buy->price_ticks <= sell->price_ticks);
    const std::int64_t price_ticks = is_buy_next ? buy->price_ticks : sell->price_ticks;
    if (sell != sells.end() && sell->price_ticks == price_ticks) {
      supply_lots += sell->lots;
      ++sell;
    }
    found.push_back(
        {price_ticks, std::min(demand_lots, supply_lots), demand_lots - supply_lots});
    if (buy != buys.end() && buy->price_ticks == price_ticks) {
      demand_lots -= buy->lots;
      ++buy;
    }
  }
  return found;
}

template <class Keep>
void keep_only(std::vector<Equilibrium>& candidates, Keep keep) {
  std::erase_if(candidates, [&](const Equilibrium& each) { return !keep(each); });
}

// The auction price among the prices of orders from the best ask to the best bid: the largest
// volume; then the smallest surplus; then, with every surplus on the buy side, the highest, on the
// sell side, the lowest; then the nearest to the reference price; then the higher.
Equilibrium equilibrium(Venue& venue, Instrument& instrument, std::size_t& looked_at) {
  Book& book = instrument.book;
  if (!book.is_crossed()) {
    return {};
  }
  std::vector<Equilibrium> candidates =
      candidates_of(crossing(venue, book.bids, book.asks.best_ticks(), looked_at),
                    crossing(venue, book.asks, book.bids.best_ticks(), looked_at));
  std::int64_t volume_lots = 0;
  for (const Equilibrium& each : candidates) {
    volume_lots = std::max(volume_lots, each.volume_lots);
  }
  keep_only(candidates, [=](const Equilibrium& each) { return each.volume_lots == volume_lots; });
  std::int64_t surplus_lots = INT64_LARGEST;
  for (const Equilibrium& each : candidates) {
    surplus_lots = std::min<std::int64_t>(surplus_lots, std::abs(each.surplus_lots));
  }
  keep_only(candidates,
            [=](const Equilibrium& each) { return std::abs(each.surplus_lots) == surplus_lots; });
  const auto is_bought = [](const Equilibrium& each) { return each.surplus_lots > 0; };
  const auto is_sold = [](const Equilibrium& each) { return each.surplus_lots < 0; };
  if (std::all_of(candidates.begin(), candidates.end(), is_bought)) {
    return candidates.back();
  }
  if (std::all_of(candidates.begin(), candidates.end(), is_sold)) {
    return candidates.front();
  }
  const std::int64_t reference_ticks = instrument.reference_ticks;
  if (reference_ticks == 0) {
    return candidates.back();
  }
  const Equilibrium* nearest = &candidates.back();
  for (auto each = candidates.rbegin(); each != candidates.rend(); ++each) {
    if (std::abs(each->price_ticks - reference_ticks) <
        std::abs(nearest->price_ticks - reference_ticks)) {
      nearest = &*each;
    }
  }
  return *nearest;
}

struct Executed {
  std::uint32_t trades = 0;
  std::int64_t volume_lots = 0;
};

void take_best(Venue& venue, Instrument& instrument, BookSide& side, std::int64_t lots) {
  Level& level = side.best();
  touch_level(venue, instrument, side, level, side.best_ticks());
  side.take(level.head, level, lots);
}

// Pair the two sides at one price in price-time priority.
Executed execute_at(Venue& venue, Instrument& instrument, std::int64_t price_ticks) {
  BookSide& bids = instrument.book.bids;
  BookSide& asks = instrument.book.asks;
  Executed executed;
  while (venue.steps_left != 0 && !bids.empty() && !asks.empty() &&
         bids.best_ticks() >= price_ticks && asks.best_ticks() <= price_ticks) {
    --venue.steps_left;
    const std::uint32_t buy = bids.best().head;
    const std::uint32_t sell = asks.best().head;
    const bool is_buy_earlier =
        venue.orders.cold(buy).arrival < venue.orders.cold(sell).arrival;
    const std::uint32_t earlier = is_buy_earlier ? buy : sell;
    const std::uint32_t later = is_buy_earlier ? sell : buy;
    const HotOrder& buying = venue.orders.hot(buy);
    const HotOrder& selling = venue.orders.hot(sell);
    if (venue.accounts[buying.account].group == venue.accounts[selling.account].group) {
      prevent_self_trade(venue, later, earlier, price_ticks, true);
      continue;
    }
    const std::int64_t lots = std::min(buying.shown_lots, selling.shown_lots);
    take_best(venue, instrument, bids, lots);
    take_best(venue, instrument, asks, lots);
    record_trade(venue, instrument, earlier, later, lots, price_ticks, TradeKind::AUCTION);
    ++executed.trades;
    executed.volume_lots += lots;
  }
  return executed;
}

// The band's reference after an auction: its price, moved into the spread if needed. An auction
// without a trade would otherwise leave a reference that the quotes have left behind.
std::int64_t band_reference(const Instrument& instrument) {
  const std::int64_t price_ticks = instrument.band_next_ticks;
  if (price_ticks == 0) {
    return 0;
  }
  const Book& book = instrument.book;
  if (!book.bids.empty() && price_ticks < book.bids.best_ticks()) {
    return book.bids.best_ticks();
  }
  if (!book.asks.empty() && price_ticks > book.asks.best_ticks()) {
    return book.asks.best_ticks();
  }
  return price_ticks;
}

}  // namespace

void uncross(Venue& venue, Instrument& instrument, bool is_auction) {
  bool is_first = true;
  while ((instrument.book.is_crossed() && venue.steps_left != 0) || (is_first && is_auction)) {
    is_first = false;
    std::size_t looked_at = 0;
    const std::int64_t price_ticks = equilibrium(venue, instrument, looked_at).price_ticks;
    venue.steps_left -= static_cast<std::uint32_t>(
        std::min<std::size_t>(venue.steps_left, looked_at / ORDERS_PER_STEP));
    const Executed executed =
        price_ticks != 0 ? execute_at(venue, instrument, price_ticks) : Executed{};
    auto& event = venue.events.emit_zeroed<events::AuctionUncrossed>();
    event.instrument = instrument.number;
    event.trades = executed.trades;
    event.price_ticks = executed.trades != 0 ? price_ticks : 0;
    event.volume_lots = executed.volume_lots;
  }
  instrument.band_ticks = instrument.band_next_ticks = band_reference(instrument);
  const std::int64_t window_ns = instrument.limits.band_window_ns;
  if (window_ns != 0) {
    instrument.band_window_at_ns = venue.last_time_ns - venue.last_time_ns % window_ns;
  }
}

void publish_indicative(Venue& venue, Instrument& instrument) {
  std::size_t looked_at = 0;  // the interval bounds how often this is done
  const Equilibrium now = equilibrium(venue, instrument, looked_at);
  if (now == instrument.indicative) {
    return;
  }
  instrument.indicative = now;
  auto& event = venue.events.emit_zeroed<events::IndicativePriceChanged>();
  event.instrument = instrument.number;
  event.price_ticks = now.price_ticks;
  event.volume_lots = now.volume_lots;
  event.surplus_lots = now.surplus_lots;
}

}  // namespace core
