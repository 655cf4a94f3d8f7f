// Reads a snapshot back into a state, or says what is wrong with it. Order, padding and counts
// need no checks of their own: only canonical bytes are written again as they were read. Ranges
// do: the arithmetic of matching relies on them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>

#include "core/records.hpp"
#include "core/venue.hpp"

namespace core {

// Takes records one by one into a venue of its own; the first that cannot be so ends it.
class SnapshotReader {
 public:
  explicit SnapshotReader(const Settings& settings) : venue_(std::make_unique<Venue>(settings)) {}

  [[nodiscard]] const char* error() const noexcept { return error_; }
  [[nodiscard]] std::unique_ptr<Venue> take() noexcept { return std::move(venue_); }

  bool read_all(std::span<const std::byte> data);

 private:
  bool fail(const char* what) noexcept {
    error_ = what;
    return false;
  }
  bool require(bool condition, const char* what) noexcept { return condition || fail(what); }

  bool read_record(const state::Header& header, const std::byte* at);

  bool read(const state::VenueRecord& record);
  bool read(const state::ConfigurationRecord& record);
  bool read(const state::SourceRecord& record);

  // What there is, and who owns it: snapshot_definitions.cpp
  bool read(const state::AssetRecord& record);
  bool read(const state::FeeScheduleRecord& record);
  bool read(const state::FirmRecord& record);
  bool read(const state::InstrumentRecord& record);
  bool read(const state::LimitsRecord& record);
  bool read(const state::MarketRecord& record);
  bool read(const state::AccountRecord& record);
  bool read(const state::BalanceRecord& record);
  bool read(const state::AssignmentRecord& record);
  bool read(const state::SessionRecord& record);
  bool read(const state::RightRecord& record);
  bool read(const state::ReferenceRecord& record);
  bool read(const state::WithdrawalRecord& record);
  bool check_money();

  // Orders and their ids: snapshot_orders.cpp
  bool read(const state::OrderRecord& record);
  bool read_open(const state::OrderRecord& record, std::uint32_t index);
  bool read(const state::ClientIdRecord& record);
  bool read(const state::QueueRecord& record);
  bool read(const state::GoneRecord& record);
  // Requests for quote and their quotes: snapshot_rfq.cpp
  bool read(const state::QuoteRequestRecord& record);
  bool read(const state::RfqQuoteRecord& record);

  // Quotes and protection groups: snapshot_quotes.cpp
  bool read(const state::ProtectionRecord& record);
  bool read(const state::ProtectionFillRecord& record);
  bool read(const state::QuoteRecord& record);

  bool check_orders();
  bool check_books();

  // What clients stopped: suspensions.cpp
  bool read(const state::SuspensionRecord& record);

  // What busts and corrections need: snapshot_corrections.cpp
  bool read(const state::KeptTradesRecord& record);
  bool read(const state::KeptTradeRecord& record);
  bool read(const state::ReceivableRecord& record);
  bool check_kept_trades();

  // What an order's record says that only later records complete.
  struct Unfinished {
    std::int64_t shown_lots;
    Text<40> client_order_id;
    bool is_gone;
  };

  std::unique_ptr<Venue> venue_;
  const char* error_ = "";
  std::int64_t last_gone_ns_ = 0;
  std::uint64_t last_kept_id_ = 0;
  std::map<std::uint32_t, Wide> held_;                           // by balance
  std::map<std::uint32_t, Unfinished> unfinished_;               // by order
  std::map<std::pair<std::uint32_t, bool>, Wide> resting_lots_;  // by instrument and side
};

// Whether a side of a quote may go by this: a quote's id and an entry's.
[[nodiscard]] bool is_quote_name(const Text<40>& name) noexcept;

[[nodiscard]] constexpr bool is_self_trade_prevention(std::uint8_t mode) noexcept {
  return mode >= self_trade::CANCEL_RESTING && mode <= self_trade::DECREMENT_AND_CANCEL;
}

[[nodiscard]] constexpr bool is_rate(std::int32_t rate_ppm) noexcept {
  return rate_ppm >= -PPM && rate_ppm <= PPM;
}

}  // namespace core
