#include "core/book.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace core {

Level& BookSide::provide_elsewhere(std::int64_t price_ticks) {
  if (window_size_ == 0) {
    open_window(price_ticks);
    return provide(price_ticks);
  }
  if (far_ == nullptr) {
    far_ = std::make_unique<Far>();
  }
  ++far_->visits;
  FarLevels& levels = far_->levels;
  if (const auto found = levels.find(price_ticks); found != levels.end()) {
    return found->second;
  }
  auto parked = far_->parked.extract(price_ticks);
  Level& level = parked ? levels.insert(std::move(parked)).position->second
                        : levels.emplace(price_ticks, Level{}).first->second;
  offer_best(level, price_ticks);
  return level;
}

Level* BookSide::find_far(std::int64_t price_ticks) noexcept {
  if (far_ == nullptr) {
    return nullptr;
  }
  ++far_->visits;
  const auto found = far_->levels.find(price_ticks);
  return found == far_->levels.end() ? nullptr : &found->second;
}

void BookSide::park(std::int64_t price_ticks) {
  far_->parked.insert(far_->levels.extract(price_ticks));
}

void BookSide::offer_far_best() noexcept {
  if (!far_->levels.empty()) {
    auto& [price_ticks, level] = is_buy_ ? *far_->levels.rbegin() : *far_->levels.begin();
    offer_best(level, price_ticks);
  }
}

Level* BookSide::behind(std::int64_t price_ticks, std::int64_t& found_ticks) noexcept {
  Level* found = nullptr;
  if (window_levels_ != 0) {
    const std::int64_t last_ticks = base_ticks_ + static_cast<std::int64_t>(window_size_) - 1;
    const bool is_before = is_buy_ ? price_ticks > last_ticks : price_ticks < base_ticks_;
    if (is_before || is_in_window(price_ticks)) {
      // A bid's search from beyond the window begins at its top, which is below its base.
      const std::size_t from = is_before ? edge_place() : place_of(price_ticks);
      const std::size_t place = is_buy_ ? place_below(from) : place_above(from);
      const std::int64_t ticks = price_at(place);
      if (is_buy_ ? ticks < price_ticks : ticks > price_ticks) {
        found = &levels_[place];
        found_ticks = ticks;
      }
    }
  }
  if (far_ == nullptr || far_->levels.empty()) {
    return found;
  }
  FarLevels& levels = far_->levels;
  auto next = is_buy_ ? levels.lower_bound(price_ticks) : levels.upper_bound(price_ticks);
  if (is_buy_) {
    if (next == levels.begin()) {
      return found;
    }
    --next;
  } else if (next == levels.end()) {
    return found;
  }
  if (found == nullptr || (is_buy_ ? next->first > found_ticks : next->first < found_ticks)) {
    found_ticks = next->first;
    return &next->second;
  }
  return found;
}

void BookSide::settle_far() {
  far_->parked.clear();
  // Moving costs as much as the levels moved, so it waits until as much was paid for not moving.
  if (best_ != nullptr && far_->visits > 2 * (window_levels_ + far_->levels.size()) + 256) {
    far_->visits = 0;
    if (static_cast<std::uint64_t>(best_ticks_ - base_ticks_) - WINDOW / 8 > WINDOW * 3 / 4) {
      move_window(best_ticks_);
    }
  }
}

void BookSide::open_window(std::int64_t around_ticks) {
  window_.grow(WINDOW);
  levels_ = window_.data();
  window_size_ = WINDOW;
  base_ticks_ = std::max<std::int64_t>(around_ticks - static_cast<std::int64_t>(WINDOW / 2), 0);
}

void BookSide::move_window(std::int64_t around_ticks) {
  std::vector<std::pair<std::int64_t, Level>> moving;
  while (window_levels_ != 0) {
    const std::size_t place = place_above(0);
    moving.emplace_back(price_at(place), levels_[place]);
    vacate(place);
  }
  // What the empty places remember of past commands belongs to other prices from here on.
  std::fill(levels_, levels_ + WINDOW, Level{});
  open_window(around_ticks);
  const auto first = far_->levels.lower_bound(base_ticks_);
  const auto last = far_->levels.lower_bound(base_ticks_ + static_cast<std::int64_t>(WINDOW));
  moving.insert(moving.end(), first, last);
  far_->levels.erase(first, last);
  best_ = nullptr;
  for (const auto& [price_ticks, level] : moving) {
    if (is_in_window(price_ticks)) {
      provide(price_ticks) = level;
    } else {
      offer_best(far_->levels.emplace(price_ticks, level).first->second, price_ticks);
    }
  }
  offer_far_best();
}

}  // namespace core
