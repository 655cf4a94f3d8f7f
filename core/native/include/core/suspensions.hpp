// What clients themselves stopped: no new orders and amends of an account or a session.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "core/decisions.hpp"
#include "core/venue.hpp"

namespace core {

// A scope, ACCOUNT or SESSION, and the number of the one meant.
using SuspensionTarget = std::pair<std::uint32_t, std::uint32_t>;

[[nodiscard]] bool refuses_any_suspended(const Venue& venue, std::uint32_t session,
                                         std::uint32_t account, std::uint32_t instrument,
                                         std::uint8_t side, Refused& refused);

// Whether a client stopped such orders itself, by their session or their account.
[[nodiscard]] inline bool refuses_suspended(const Venue& venue, std::uint32_t session,
                                            std::uint32_t account, std::uint32_t instrument,
                                            std::uint8_t side, Refused& refused) {
  return !venue.suspensions.empty() &&
         refuses_any_suspended(venue, session, account, instrument, side, refused);
}

// Whether a target may not have this suspension as well.
[[nodiscard]] bool refuses_suspensions(const Venue& venue,
                                       const std::vector<SuspensionTarget>& targets,
                                       std::uint32_t instrument, std::uint8_t side,
                                       Refused& refused);

// Put a suspension on each target; return how many had it not.
std::uint32_t put_suspensions(Venue& venue, const std::vector<SuspensionTarget>& targets,
                      std::uint32_t instrument, std::uint8_t side);

// Lift what lies within an instrument and a side, zero for any; return how many went.
std::uint32_t lift_suspensions(Venue& venue, const std::vector<SuspensionTarget>& targets,
                      std::uint32_t instrument, std::uint8_t side);

}  // namespace core
