// The phase an instrument is in, what entering one means, and call auctions.
#pragma once

#include <cstdint>

#include "core/venue.hpp"

namespace core {

// A phase to enter: until when (0: for ever), why, and who said so (0: the venue itself).
struct PhaseChange {
  std::uint8_t phase = 0;
  std::uint32_t reason = 0;
  std::int64_t until_ns = 0;
  std::uint32_t operator_number = 0;
  std::uint32_t approver_number = 0;
};

// Put an instrument into a phase and say so; the caller does what entering it means.
void begin_phase(Venue& venue, Instrument& instrument, const PhaseChange& change);

// Enter a phase and do what that means.
void enter_phase(Venue& venue, Instrument& instrument, PhaseChange change);

// Do what follows when a phase's time is over: a halt is followed by a call auction.
void end_phase(Venue& venue, Instrument& instrument);

// Stop trading because the next trade would leave the price band.
void halt_by_band(Venue& venue, Instrument& instrument);

// Let the indicative price fall due one interval from now, if it is published at all.
void schedule_indicative(Venue& venue, Instrument& instrument);

// Say where the auction would uncross now, if that is news.
void publish_indicative(Venue& venue, Instrument& instrument);

// Execute all that crosses, each round at one price, until the book is not crossed or the command
// has done all that one may.
void uncross(Venue& venue, Instrument& instrument, bool is_auction);

// Begin the band window that the present stamp is in; say whether there is a band.
bool roll_band_window(Venue& venue, Instrument& instrument);

}  // namespace core
