#include "core/snapshot.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/handlers.hpp"

namespace core {

namespace {

void write_venue(RecordStream& stream, const Venue& venue) {
  auto& record = stream.add<state::VenueRecord>();
  record.mark = venue.is_killed ? 1 : 0;
  record.last_sequence = venue.last_sequence;
  record.last_time_ns = venue.last_time_ns;
  record.last_event = venue.events.number;
  record.last_order_id = venue.last_order_id;
  record.last_trade_id = venue.last_trade_id;
  record.last_arrival = venue.last_arrival;
  record.rules = venue.rules;
  if (!venue.configuration) {
    return;
  }
  const Configuration& configuration = *venue.configuration;
  auto& bounds = stream.add<state::ConfigurationRecord>();
  bounds.client_ids_max = configuration.client_ids_max;
  bounds.references_max = configuration.references_max;
  bounds.open_orders_max = configuration.open_orders_max;
  bounds.accounts_max = configuration.accounts_max;
  bounds.instruments_max = configuration.instruments_max;
  bounds.sessions_max = configuration.sessions_max;
  bounds.client_id_window_ns = configuration.client_id_window_ns;
  bounds.indicative_interval_ns = configuration.indicative_interval_ns;
  bounds.day_offset_ns = configuration.day_offset_ns;
}

void write_sources(RecordStream& stream, const Venue& venue) {
  std::vector<SourcePosition> sources = venue.sources;
  std::sort(sources.begin(), sources.end(), [](const auto& left, const auto& right) {
    return left.source < right.source;
  });
  for (const SourcePosition& position : sources) {
    auto& record = stream.add<state::SourceRecord>();
    record.source = position.source;
    record.epoch = position.epoch;
    record.source_sequence = position.sequence;
  }
}

void write_definitions(RecordStream& stream, const Venue& venue) {
  for (const std::uint32_t index : by_number(venue.assets)) {
    const Asset& asset = venue.assets[index];
    auto& record = stream.add<state::AssetRecord>();
    record.asset = asset.number;
    record.scale = asset.scale;
    record.supply_max_atoms = asset.supply_max_atoms;
    record.supply_atoms = asset.supply_atoms;
    record.fees_atoms = asset.fees_atoms;
    record.symbol = asset.symbol;
  }
  for (const std::uint32_t index : by_number(venue.fee_schedules)) {
    const FeeSchedule& schedule = venue.fee_schedules[index];
    auto& record = stream.add<state::FeeScheduleRecord>();
    record.fee_schedule = schedule.number;
    record.maker_ppm = schedule.maker_ppm;
    record.taker_ppm = schedule.taker_ppm;
  }
  for (const std::uint32_t index : by_number(venue.firms)) {
    const Firm& firm = venue.firms[index];
    auto& record = stream.add<state::FirmRecord>();
    record.mark = firm.is_killed ? 1 : 0;
    record.firm = firm.number;
    record.name = firm.name;
  }
}

void write_instruments(RecordStream& stream, const Venue& venue,
                       const std::vector<std::uint32_t>& sorted) {
  for (const std::uint32_t index : sorted) {
    const Instrument& instrument = *venue.instruments[index];
    auto& record = stream.add<state::InstrumentRecord>();
    record.mark = instrument.is_killed ? 1 : 0;
    fill_instrument(record, venue, instrument);
  }
  for (const std::uint32_t index : sorted) {
    const Instrument& instrument = *venue.instruments[index];
    auto& record = stream.add<state::LimitsRecord>();
    fill_limits(record, instrument);
    record.price_ceiling = instrument.price_ceiling;
    record.quantity_ceiling = instrument.quantity_ceiling;
  }
  for (const std::uint32_t index : sorted) {
    const Instrument& instrument = *venue.instruments[index];
    auto& record = stream.add<state::MarketRecord>();
    record.mark = instrument.phase;
    record.instrument = instrument.number;
    record.phase_reason = instrument.phase_reason;
    record.phase_until_ns = instrument.phase_until_ns;
    record.last_ticks = instrument.last_ticks;
    record.reference_ticks = instrument.reference_ticks;
    record.band_ticks = instrument.band_ticks;
    record.band_next_ticks = instrument.band_next_ticks;
    record.band_window_at_ns = instrument.band_window_at_ns;
    record.indicative_ticks = instrument.indicative.price_ticks;
    record.indicative_volume_lots = instrument.indicative.volume_lots;
    record.indicative_surplus_lots = instrument.indicative.surplus_lots;
    record.indicative_at_ns = instrument.indicative_at_ns;
    record.book_sequence = instrument.book.sequence;
  }
}

void write_balances(RecordStream& stream, const Venue& venue, const Account& account) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> known;
  for (std::size_t asset = 0; asset < account.balances.size(); ++asset) {
    if (account.balances[asset] != 0) {
      known.emplace_back(venue.assets[asset].number, account.balances[asset]);
    }
  }
  std::sort(known.begin(), known.end());
  for (const auto& [asset, index] : known) {
    const Balance& balance = venue.balances[index];
    if ((balance.balance_atoms | balance.held_atoms | balance.credit_line_atoms |
         balance.position_max_atoms) == 0) {
      continue;
    }
    auto& record = stream.add<state::BalanceRecord>();
    record.account = account.number;
    record.asset = asset;
    record.balance_atoms = balance.balance_atoms;
    record.held_atoms = balance.held_atoms;
    record.credit_line_atoms = balance.credit_line_atoms;
    record.position_max_atoms = balance.position_max_atoms;
  }
}

void write_accounts(RecordStream& stream, const Venue& venue) {
  const std::vector<std::uint32_t> sorted = by_number(venue.accounts);
  for (const std::uint32_t index : sorted) {
    const Account& account = venue.accounts[index];
    auto& record = stream.add<state::AccountRecord>();
    record.mark = account.is_killed ? 1 : 0;
    record.account = account.number;
    record.firm = venue.firms[account.firm].number;
    record.owner_group = account.owner_group;
    record.account_kind = account.kind;
    record.self_trade_prevention = account.self_trade_prevention;
    record.open_orders_max = account.open_orders_max;
    record.message_burst = account.message_burst;
    record.message_interval_ns = account.message_interval_ns;
    record.next_free_ns = account.next_free_ns;
    record.name = account.name;
  }
  for (const std::uint32_t index : sorted) {
    write_balances(stream, venue, venue.accounts[index]);
  }
  for (const std::uint32_t index : sorted) {
    for (const Assignment& assignment : venue.accounts[index].assignments) {
      auto& record = stream.add<state::AssignmentRecord>();
      record.account = venue.accounts[index].number;
      record.instrument = assignment.instrument;
      record.fee_schedule = assignment.fee_schedule;
    }
  }
}

void write_sessions(RecordStream& stream, const Venue& venue) {
  const std::vector<std::uint32_t> sorted = by_number(venue.sessions);
  for (const std::uint32_t index : sorted) {
    const Session& session = venue.sessions[index];
    auto& record = stream.add<state::SessionRecord>();
    record.mark = session.is_killed ? 1 : 0;
    record.session = session.number;
    record.firm = venue.firms[session.firm].number;
    record.cancel_on_disconnect = session.cancel_on_disconnect;
    record.connection = session.connection;
    record.last_connection = session.last_connection;
    record.principal = session.principal;
    record.disconnect_grace_ns = session.disconnect_grace_ns;
    record.grace_until_ns = session.grace_until_ns;
    record.has_chosen = session.has_chosen ? 1 : 0;
    record.chosen_cancel_on_disconnect = session.chosen_cancel_on_disconnect;
    record.chosen_grace_ns = session.chosen_grace_ns;
    record.name = session.name;
  }
  for (const std::uint32_t index : sorted) {
    for (const Right& right : venue.sessions[index].rights) {
      auto& record = stream.add<state::RightRecord>();
      record.session = venue.sessions[index].number;
      record.account = right.account;
      record.rights = right.rights;
    }
  }
}

void write_money(RecordStream& stream, const Venue& venue) {
  const std::map<Reference, bool> references(venue.references.begin(), venue.references.end());
  for (const auto& [reference, is_withdrawal] : references) {
    auto& record = stream.add<state::ReferenceRecord>();
    record.mark = is_withdrawal ? 1 : 0;
    std::memcpy(record.reference.data(), reference.data(), 40);
  }
  const std::map<Reference, Withdrawal> withdrawals(venue.withdrawals.begin(),
                                                    venue.withdrawals.end());
  for (const auto& [reference, withdrawal] : withdrawals) {
    auto& record = stream.add<state::WithdrawalRecord>();
    std::memcpy(record.reference.data(), reference.data(), 40);
    record.account = venue.accounts[withdrawal.account].number;
    record.asset = venue.assets[withdrawal.asset].number;
    record.amount_atoms = withdrawal.amount_atoms;
  }
}

void write_order(RecordStream& stream, const Venue& venue, std::uint32_t index) {
  const HotOrder& order = venue.orders.hot(index);
  const ColdOrder& cold = venue.orders.cold(index);
  auto& record = stream.add<state::OrderRecord>();
  record.mark = order.status;
  record.order_id = order.order_id;
  record.arrival = cold.arrival;
  record.account = venue.accounts[order.account].number;
  record.session = cold.session;
  record.connection = cold.connection;
  record.instrument = venue.instruments[order.instrument]->number;
  record.side = order.side;
  record.order_type = order.order_type;
  record.time_in_force = order.time_in_force;
  record.self_trade_prevention = order.self_trade_prevention;
  record.order_flags = order.order_flags;
  record.reason = static_cast<std::uint8_t>(order.reason);
  record.trader = cold.trader;
  record.maker_ppm = cold.maker_ppm;
  record.taker_ppm = cold.taker_ppm;
  record.fee_credit = cold.fee_credit;
  record.price_ticks = order.price_ticks;
  record.quantity_lots = cold.quantity_lots;
  record.leaves_lots = order.leaves_lots;
  record.shown_lots = order.shown_lots;
  record.filled_lots = cold.filled_lots;
  record.filled_value = cold.filled_value;
  record.stop_price_ticks = cold.stop_price_ticks;
  record.display_lots = order.is_cash() ? 0 : cold.display_lots;
  record.cash_atoms = order.is_cash() ? cold.cash_atoms : 0;
  record.minimum_lots = cold.minimum_lots;
  record.expire_at_ns = cold.expire_at_ns;
  record.expires_at_ns = cold.expires_at_ns;
  record.held_atoms = order.held_atoms;
  record.client_order_id = venue.client_ids.node(cold.ids.current).text;
}

void write_queue(RecordStream& stream, const Venue& venue, BookSide& side) {
  if (side.empty()) {
    return;
  }
  std::int64_t price_ticks = side.best_ticks();
  for (const Level* level = &side.best(); level != nullptr;
       level = side.behind(price_ticks, price_ticks)) {
    for (std::uint32_t index = level->head; index != 0; index = venue.orders.hot(index).next) {
      stream.add<state::QueueRecord>().order_id = venue.orders.hot(index).order_id;
    }
  }
}

void write_orders(RecordStream& stream, const Venue& venue,
                  const std::vector<std::uint32_t>& instruments) {
  const std::vector<std::uint32_t> orders = venue.order_ids.sorted();
  for (const std::uint32_t index : orders) {
    write_order(stream, venue, index);
  }
  for (const std::uint32_t index : orders) {
    venue.client_ids.each(venue.orders.cold(index).ids, [&](const KnownId& id) {
      auto& record = stream.add<state::ClientIdRecord>();
      record.order_id = venue.orders.hot(index).order_id;
      record.client_order_id = venue.client_ids.node(id.node()).text;
    });
  }
  for (const std::uint32_t index : instruments) {
    write_queue(stream, venue, venue.instruments[index]->book.bids);
    write_queue(stream, venue, venue.instruments[index]->book.asks);
  }
  for (std::size_t place = 0; place < venue.gone.size(); ++place) {
    const Gone& gone = venue.gone.at(place);
    auto& record = stream.add<state::GoneRecord>();
    record.gone_at_ns = gone.at_ns;
    record.order_id = gone.order_id;
    record.account = venue.accounts[gone.account].number;
    if (gone.order == 0) {
      record.client_order_id = venue.client_ids.node(gone.ids.first.node()).text;
    }
  }
}

void write_suspensions(RecordStream& stream, const Venue& venue) {
  for (const auto& [scope, target, instrument, side] : venue.suspensions) {
    auto& record = stream.add<state::SuspensionRecord>();
    record.mark = static_cast<std::uint8_t>(scope);
    record.target = target;
    record.instrument = instrument;
    record.side = side;
  }
}

void write_kept_trades(RecordStream& stream, const Venue& venue) {
  const KeptTrades& kept = venue.kept_trades;
  if (!kept.is_keeping()) {
    return;
  }
  stream.add<state::KeptTradesRecord>().trades_max = kept.trades_max();
  for (std::uint64_t number = venue.last_trade_id - kept.count() + 1;
       number <= venue.last_trade_id; ++number) {
    const KeptTrade& trade = kept.at(number);
    auto& record = stream.add<state::KeptTradeRecord>();
    record.trade_id = number;
    record.event_number = trade.event_number;
    record.maker_order_id = trade.maker_order_id;
    record.taker_order_id = trade.taker_order_id;
    record.price_ticks = trade.price_ticks;
    record.quantity_lots = trade.quantity_lots;
    record.maker_fee_atoms = trade.maker_fee;
    record.taker_fee_atoms = trade.taker_fee;
    record.maker_ppm = trade.maker_ppm;
    record.taker_ppm = trade.taker_ppm;
  }
}

void write_receivables(RecordStream& stream, const Venue& venue) {
  for (const std::uint32_t index : by_number(venue.accounts)) {
    const Account& account = venue.accounts[index];
    std::map<std::uint32_t, std::int64_t> owed;  // by the asset's number
    for (std::size_t asset = 0; asset < account.balances.size(); ++asset) {
      const Balance& balance = venue.balances[account.balances[asset]];
      if (balance.receivable_atoms != 0) {
        owed[venue.assets[asset].number] = balance.receivable_atoms;
      }
    }
    for (const auto& [asset, receivable_atoms] : owed) {
      auto& record = stream.add<state::ReceivableRecord>();
      record.account = account.number;
      record.asset = asset;
      record.receivable_atoms = receivable_atoms;
    }
  }
}

void write_protection(RecordStream& stream, const Venue& venue, const Protection& protection) {
  auto& record = stream.add<state::ProtectionRecord>();
  fill_protection(record, venue, protection);
  record.mark = protection.is_frozen ? 1 : 0;
  record.frozen_until_ns = protection.frozen_until_ns;
}

void write_fills(RecordStream& stream, const Venue& venue, const Protection& protection) {
  for (std::size_t place = 0; place < protection.fills.size(); ++place) {
    const ProtectionFill& fill = protection.fills.at(place);
    auto& record = stream.add<state::ProtectionFillRecord>();
    record.account = venue.accounts[protection.account].number;
    record.protection_group = protection.number;
    record.at_ns = fill.at_ns;
    record.base_atoms = fill.base_atoms;
    record.notional_atoms = fill.notional_atoms;
  }
}

void write_quoting(RecordStream& stream, const Venue& venue) {
  const std::vector<std::uint32_t> accounts = by_number(venue.accounts);
  for (const auto write : {write_protection, write_fills}) {
    for (const std::uint32_t account : accounts) {
      for (const std::uint32_t index : venue.accounts[account].protections) {
        write(stream, venue, venue.protections[index]);
      }
    }
  }
  for (const std::uint32_t index : venue.order_ids.sorted()) {
    if (venue.orders.hot(index).is_quoted() && venue.orders.hot(index).is_open()) {
      auto& record = stream.add<state::QuoteRecord>();
      record.order_id = venue.orders.hot(index).order_id;
      // The group at index 0 is none, and numbered so.
      record.protection_group = venue.protections[venue.orders.quoted(index).protection].number;
    }
  }
}

}  // namespace

Bytes write_snapshot(const Venue& venue) {
  RecordStream stream;
  const std::vector<std::uint32_t> instruments = by_number(venue.instruments);
  write_venue(stream, venue);
  write_sources(stream, venue);
  write_definitions(stream, venue);
  write_instruments(stream, venue, instruments);
  write_accounts(stream, venue);
  write_sessions(stream, venue);
  write_money(stream, venue);
  write_orders(stream, venue, instruments);
  write_quoting(stream, venue);
  write_negotiations(stream, venue);
  write_suspensions(stream, venue);
  write_kept_trades(stream, venue);
  write_receivables(stream, venue);
  const std::uint64_t records = stream.count();
  stream.add<state::EndRecord>().records = records;
  return stream.take();
}

}  // namespace core
