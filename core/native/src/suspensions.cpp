#include "core/suspensions.hpp"

#include <iterator>

#include "core/snapshot_reader.hpp"

namespace core {

namespace {

// The first and the end of a target's suspensions.
auto suspensions_of(const Venue& venue, const SuspensionTarget& target) {
  const auto& all = venue.suspensions;
  return std::pair{all.lower_bound({target.first, target.second, 0, 0}),
                   all.upper_bound({target.first, target.second, NONE, NONE})};
}

bool has_any(const Venue& venue, std::uint32_t scope, std::uint32_t target,
             std::uint32_t instrument, std::uint8_t side) {
  const auto& all = venue.suspensions;
  return all.contains({scope, target, 0, 0}) || all.contains({scope, target, 0, side}) ||
         all.contains({scope, target, instrument, 0}) ||
         all.contains({scope, target, instrument, side});
}

}  // namespace

bool refuses_any_suspended(const Venue& venue, std::uint32_t session, std::uint32_t account,
                           std::uint32_t instrument, std::uint8_t side, Refused& refused) {
  if (has_any(venue, scope::SESSION, session, instrument, side)) {
    return refused.because(code::SESSION_SUSPENDED);
  }
  return has_any(venue, scope::ACCOUNT, account, instrument, side) &&
         refused.because(code::ACCOUNT_SUSPENDED);
}

bool refuses_suspensions(const Venue& venue, const std::vector<SuspensionTarget>& targets,
                         std::uint32_t instrument, std::uint8_t side, Refused& refused) {
  for (const SuspensionTarget& target : targets) {
    if (venue.suspensions.contains({target.first, target.second, instrument, side})) {
      continue;
    }
    const auto [first, end] = suspensions_of(venue, target);
    const auto count = std::distance(first, end);
    if (count >= SUSPENSIONS_OF_TARGET_MAX) {
      return refused.because(code::SUSPENSIONS_EXCEEDED, SUSPENSIONS_OF_TARGET_MAX, count + 1);
    }
  }
  return false;
}

std::uint32_t put_suspensions(Venue& venue, const std::vector<SuspensionTarget>& targets,
                      std::uint32_t instrument, std::uint8_t side) {
  std::uint32_t put = 0;
  for (const auto& [scope, number] : targets) {
    put += venue.suspensions.emplace(scope, number, instrument, side).second ? 1u : 0u;
  }
  return put;
}

std::uint32_t lift_suspensions(Venue& venue, const std::vector<SuspensionTarget>& targets,
                      std::uint32_t instrument, std::uint8_t side) {
  std::uint32_t lifted = 0;
  for (const SuspensionTarget& target : targets) {
    auto [at, end] = suspensions_of(venue, target);
    while (at != end) {
      const bool is_within = (instrument == 0 || std::get<2>(*at) == instrument) &&
                             (side == 0 || std::get<3>(*at) == side);
      lifted += is_within ? 1 : 0;
      at = is_within ? venue.suspensions.erase(at) : std::next(at);
    }
  }
  return lifted;
}

bool SnapshotReader::read(const state::SuspensionRecord& record) {
  Venue& venue = *venue_;
  const bool is_known = record.mark == scope::ACCOUNT
                            ? venue.find_account(record.target) != NONE
                            : record.mark == scope::SESSION &&
                                  venue.find_session(record.target) != nullptr;
  if (!is_known || record.side > side::SELL ||
      (record.instrument != 0 && venue.find_instrument(record.instrument) == nullptr)) {
    return fail("the snapshot has a suspension of what is not there");
  }
  const auto side = static_cast<std::uint8_t>(record.side);
  Refused refused;
  if (refuses_suspensions(venue, {{record.mark, record.target}}, record.instrument, side,
                          refused)) {
    return fail("the snapshot has too many suspensions");
  }
  venue.suspensions.emplace(record.mark, record.target, record.instrument, side);
  return true;
}

}  // namespace core
