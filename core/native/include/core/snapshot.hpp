// The state as canonical records, and back; and what is defined, as the events that would say so.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "core/records.hpp"
#include "core/venue.hpp"

namespace core {

// The whole state; equal states give equal bytes, in every engine.
[[nodiscard]] Bytes write_snapshot(const Venue& venue);

// The records of open requests for quote and standing quotes.
void write_negotiations(RecordStream& stream, const Venue& venue);

// A state from a snapshot; or nothing, and `error` says what is wrong with it.
[[nodiscard]] std::unique_ptr<Venue> read_snapshot(std::span<const std::byte> data,
                                                   const Settings& settings, const char*& error);

// The definitions, in an order in which each refers to earlier ones only.
[[nodiscard]] Bytes describe(const Venue& venue);

// Every book with its queues, in the order in which they would trade.
[[nodiscard]] Bytes describe_books(const Venue& venue);
// An account's open orders after an order number, oldest first, at most `limit` of them.
[[nodiscard]] Bytes describe_open_orders(const Venue& venue, std::uint32_t account,
                                         std::uint64_t after, std::size_t limit);

}  // namespace core
