// What a snapshot keeps for busts and corrections: a trade that passes can be undone without any
// amount leaving its range.
#include <algorithm>
#include <cstdlib>
#include <map>

#include "core/order_steps.hpp"
#include "core/snapshot_reader.hpp"

namespace core {

namespace {

bool is_trade_in_range(const Venue& venue, const KeptTrade& trade) noexcept {
  const auto is_order = [&venue](std::uint64_t number) {
    return number >= 1 && number <= venue.last_order_id;
  };
  const auto is_fee = [](std::int64_t atoms) {
    return atoms > -AMOUNT_LIMIT && atoms < AMOUNT_LIMIT;
  };
  const bool has_terms = is_amount(trade.price_ticks) && is_amount(trade.quantity_lots);
  const bool is_busted = trade.price_ticks == 0 && trade.quantity_lots == 0 &&
                         trade.maker_fee == 0 && trade.taker_fee == 0;
  return trade.event_number >= 1 && trade.event_number <= venue.events.number &&
         is_order(trade.maker_order_id) && is_order(trade.taker_order_id) &&
         trade.maker_order_id != trade.taker_order_id && (has_terms || is_busted) &&
         is_fee(trade.maker_fee) && is_fee(trade.taker_fee) &&
         trade.maker_fee + trade.taker_fee >= 0 && is_rate(trade.maker_ppm) &&
         is_rate(trade.taker_ppm) && trade.maker_ppm + trade.taker_ppm >= 0;
}

bool is_pair(const HotOrder& maker, const HotOrder& taker) noexcept {
  return maker.instrument == taker.instrument && maker.side != taker.side &&
         maker.account != taker.account;
}

bool is_undoable(const KeptTrade& trade, const Instrument& instrument, bool is_open) noexcept {
  const Wide value = Wide{trade.price_ticks} * trade.quantity_lots;  // below 2^124
  if (value >= AMOUNT_LIMIT) {
    return false;
  }
  const Wide notional_atoms = value * instrument.tick_lot_atoms;
  const Wide base_atoms = Wide{trade.quantity_lots} * instrument.lot_atoms;
  return notional_atoms < AMOUNT_LIMIT && base_atoms < AMOUNT_LIMIT &&
         std::max(std::abs(trade.maker_fee), std::abs(trade.taker_fee)) <= notional_atoms &&
         (!is_open || trade.price_ticks <= instrument.price_ceiling);
}

struct Sums {
  Wide lots = 0;
  Wide value = 0;
};

// Whether an order filled its kept trades, and what is left of it may be so by itself.
bool has_filled(const HotOrder& order, const ColdOrder& cold, const Instrument& instrument,
                const Sums& kept) noexcept {
  const Wide lots_before = cold.filled_lots - kept.lots;
  const Wide value_before = cold.filled_value - kept.value;
  return lots_before >= 0 && value_before >= 0 && is_bound(cold.filled_lots) &&
         Wide{cold.filled_value} * instrument.tick_lot_atoms < AMOUNT_LIMIT &&
         (!order.is_open() || value_before <= instrument.price_ceiling * lots_before);
}

}  // namespace

bool SnapshotReader::read(const state::KeptTradesRecord& record) {
  if (!venue_->configuration || record.trades_max < 1 || record.trades_max > TRADES_KEPT_MAX ||
      venue_->kept_trades.is_keeping()) {
    return fail("the snapshot keeps more trades than may be, or none, or twice");
  }
  venue_->kept_trades.resize(record.trades_max, 0);
  return true;
}

bool SnapshotReader::read(const state::KeptTradeRecord& record) {
  Venue& venue = *venue_;
  KeptTrades& kept = venue.kept_trades;
  const bool is_next = kept.count() == 0 || record.trade_id == last_kept_id_ + 1;
  if (!is_next || kept.count() >= kept.trades_max()) {
    return fail("the snapshot has a gap between kept trades, or too many");
  }
  last_kept_id_ = record.trade_id;
  kept.keep(record.trade_id) = {record.event_number,    record.maker_order_id,
                                record.taker_order_id,  record.price_ticks,
                                record.quantity_lots,   record.maker_fee_atoms,
                                record.taker_fee_atoms, record.maker_ppm,
                                record.taker_ppm};
  return true;
}

bool SnapshotReader::read(const state::ReceivableRecord& record) {
  Venue& venue = *venue_;
  const std::uint32_t account = venue.find_account(record.account);
  const std::uint32_t asset = venue.asset_numbers.find(record.asset);
  if (account == NONE || asset == NONE || !is_amount(record.receivable_atoms)) {
    return fail("the snapshot has a receivable out of range, or of what it does not hold");
  }
  venue.balance(account, asset).receivable_atoms = record.receivable_atoms;
  std::int64_t& receivable_atoms = venue.assets[asset].receivable_atoms;
  receivable_atoms = saturating_add(receivable_atoms, record.receivable_atoms);
  return true;
}

// The last trades are kept, and each can be undone; sides of quotes are remembered by them.
bool SnapshotReader::check_kept_trades() {
  Venue& venue = *venue_;
  const KeptTrades& kept = venue.kept_trades;
  if (kept.count() != 0 &&
      (last_kept_id_ != venue.last_trade_id || last_kept_id_ < kept.count())) {
    return fail("the snapshot keeps other trades than the last");
  }
  std::map<std::uint32_t, Sums> sums;
  std::map<std::uint32_t, Wide> fees;
  for (std::uint64_t number = last_kept_id_ - kept.count() + 1; number <= last_kept_id_; ++number) {
    const KeptTrade& trade = kept.at(number);
    if (!is_trade_in_range(venue, trade)) {
      return fail("the snapshot has a kept trade out of range");
    }
    const std::uint32_t maker = venue.order_ids.find(trade.maker_order_id);
    const std::uint32_t taker = venue.order_ids.find(trade.taker_order_id);
    for (const std::uint32_t index : {maker, taker}) {
      if (index != 0) {
        keep_side(venue, index, number);
      }
    }
    if (maker == 0 || taker == 0 || trade.quantity_lots == 0) {
      continue;
    }
    const HotOrder& order = venue.orders.hot(maker);
    const bool is_open = order.is_open() || venue.orders.hot(taker).is_open();
    const Instrument& instrument = *venue.instruments[order.instrument];
    if (!is_pair(order, venue.orders.hot(taker)) || !is_undoable(trade, instrument, is_open)) {
      return fail("the snapshot has a kept trade that its orders cannot have made");
    }
    for (const std::uint32_t index : {maker, taker}) {
      sums[index].lots += trade.quantity_lots;
      sums[index].value += Wide{trade.quantity_lots} * trade.price_ticks;
    }
    fees[instrument.quote_asset] += trade.maker_fee + trade.taker_fee;
  }
  for (const auto& [index, sum] : sums) {
    const HotOrder& order = venue.orders.hot(index);
    if (!has_filled(order, venue.orders.cold(index), *venue.instruments[order.instrument], sum)) {
      return fail("the snapshot has kept trades that an order did not fill");
    }
  }
  for (const auto& [asset, atoms] : fees) {
    if (atoms > venue.assets[asset].fees_atoms) {
      return fail("the snapshot has kept trades whose fees were not collected");
    }
  }
  return true;
}

}  // namespace core
