// Finds the events that somebody should look at, by their kinds and by the numbers they name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_set>
#include <utility>
#include <vector>

namespace core {

class EventFilter {
 public:
  using Offsets = std::vector<std::uint16_t>;
  using Numbers = std::unordered_set<std::uint32_t>;

  // Of events of this kind, find those that name a wanted account or session at one of these
  // places; without places none is found. Events of kinds that nobody spoke of are always found.
  void look_by(std::uint16_t kind, Offsets accounts, Offsets sessions);

  void want(Numbers accounts, Numbers sessions) {
    accounts_ = std::move(accounts);
    sessions_ = std::move(sessions);
  }

  // Where events stand, from `offset` on, that should be looked at. What is no event is found too,
  // and is the last: whoever looks will see what is wrong.
  [[nodiscard]] std::vector<std::size_t> find(std::span<const std::byte> events,
                                              std::size_t offset) const;

 private:
  struct Places {
    bool is_known = false;
    Offsets accounts;
    Offsets sessions;
  };

  [[nodiscard]] bool is_wanted(std::span<const std::byte> event, const Places& places) const;

  std::vector<Places> kinds_;
  Numbers accounts_;
  Numbers sessions_;
};

}  // namespace core
