// What an accepted order does: matching, stops, and the money of a trade.
#pragma once

#include <cstdint>

#include "core/order_steps.hpp"

namespace core {

// Let an accepted order act on the book now: trade what it can, then rest or go.
void execute_order(Venue& venue, std::uint32_t index);

// Whether a trade would be between orders of one group: do what the incoming one's mode says.
// In an uncross both are in the book (`is_incoming_resting`).
void prevent_self_trade(Venue& venue, std::uint32_t incoming, std::uint32_t resting,
                        bool is_incoming_resting);

// Take lots off a resting order, in its place; its level is told when it shows less.
void reduce_resting(Venue& venue, std::uint32_t index, std::int64_t lots);

// Move the money of a trade, say it, and close what is filled. The leaves of both no longer
// include `lots`. In an uncross both pay the maker's rate, but get no rebate.
void record_trade(Venue& venue, Instrument& instrument, std::uint32_t maker, std::uint32_t taker,
                  std::int64_t lots, std::int64_t price_ticks, bool is_auction);

// Let an accepted order act on the book, and then every stop that its trades reached.
void act(Venue& venue, std::uint32_t index);

// Trigger the stops that prints have reached, one after the other, while trading is continuous.
void run_stops(Venue& venue, Instrument& instrument);

// Go on with the stops that an earlier command left waiting.
void run_late_stops(Venue& venue);

// Let a stop wait, or act at once when the last price reached it and trading is continuous.
void enter_stop(Venue& venue, std::uint32_t index);

}  // namespace core
