// The walk through a snapshot's records, and what they say of the venue itself.
#include "core/snapshot_reader.hpp"

#include <cstring>

#include "core/handlers.hpp"
#include "core/snapshot.hpp"

namespace core {

bool SnapshotReader::read_all(std::span<const std::byte> data) {
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
  return check_kept_trades() && check_orders() && check_books() && check_money();
}

bool SnapshotReader::read_record(const state::Header& header, const std::byte* at) {
  switch (header.kind) {
#define CORE_READ(Record)                                                           \
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
    CORE_READ(ProtectionRecord);
    CORE_READ(ProtectionFillRecord);
    CORE_READ(QuoteRecord);
    CORE_READ(QuoteRequestRecord);
    CORE_READ(RfqQuoteRecord);
    CORE_READ(SuspensionRecord);
    CORE_READ(KeptTradesRecord);
    CORE_READ(KeptTradeRecord);
    CORE_READ(ReceivableRecord);
#undef CORE_READ
    case state::EndRecord::KIND:
      return require(header.length == sizeof(state::EndRecord),
                     "the snapshot has a record of a wrong length");
    default:
      return fail("the snapshot has a record of an unknown kind");
  }
}

bool SnapshotReader::read(const state::VenueRecord& record) {
  Venue& venue = *venue_;
  venue.is_killed = record.mark == 1;
  venue.last_sequence = record.last_sequence;
  venue.last_time_ns = record.last_time_ns;
  venue.events.number = record.last_event;
  venue.last_order_id = record.last_order_id;
  venue.last_trade_id = record.last_trade_id;
  venue.last_arrival = record.last_arrival;
  venue.rules = record.rules;
  const auto is_counter = [](std::uint64_t value) { return value < AMOUNT_LIMIT; };
  return require(record.rules == RULES, "the snapshot has unknown rules") &&
         require(is_bound(record.last_time_ns), "the snapshot's stamp is out of range") &&
         require(is_counter(record.last_sequence) && is_counter(record.last_event) &&
                     is_counter(record.last_order_id) && is_counter(record.last_trade_id) &&
                     is_counter(record.last_arrival),
                 "the snapshot's counters are out of range");
}

bool SnapshotReader::read(const state::ConfigurationRecord& record) {
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
  Refused refused;
  return require(!refuses_configuration(record, refused),
                 "the snapshot's configuration is out of range");
}

bool SnapshotReader::read(const state::SourceRecord& record) {
  Venue& venue = *venue_;
  if (record.source == 0 || venue.source_numbers.find(record.source) != NONE) {
    return fail("the snapshot has a source twice, or without a number");
  }
  venue.source_numbers.set(record.source, static_cast<std::uint32_t>(venue.sources.size()));
  venue.sources.push_back({record.source, record.epoch, record.source_sequence});
  return true;
}

std::unique_ptr<Venue> read_snapshot(std::span<const std::byte> data, const Settings& settings,
                                     const char*& error) {
  SnapshotReader reader(settings);
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
