// Small promises of the parts, against slow and obvious twins. Prints nothing but failures.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "core/engine.hpp"

namespace {

using namespace core;  // NOLINT: the whole of it is under test
using Chance = std::mt19937_64;

#define REQUIRE(condition)                                                        \
  do {                                                                            \
    if (!(condition)) {                                                           \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);        \
      std::exit(1);                                                               \
    }                                                                             \
  } while (false)

Text<40> text_of(const std::string& text) {
  Text<40> field{};
  std::copy(text.begin(), text.end(), field.begin());
  return field;
}

void test_client_id_format() {
  REQUIRE(is_client_id(text_of("a")));
  REQUIRE(is_client_id(text_of(std::string(36, '~'))));
  REQUIRE(is_client_id(text_of("a b")));
  REQUIRE(!is_client_id(text_of("")));
  REQUIRE(!is_client_id(text_of(std::string(37, 'x'))));
  REQUIRE(!is_client_id(text_of(std::string("a\0b", 3))));
  REQUIRE(!is_client_id(text_of(std::string("\0a", 2))));
  REQUIRE(!is_client_id(text_of("a\x7f")));
  REQUIRE(!is_client_id(text_of("a\x1f")));
  REQUIRE(!is_client_id(text_of("a\xe9")));
}

void test_fees_round_up_once() {
  Chance chance(1);
  for (int time = 0; time < 20'000; ++time) {
    const auto rate = static_cast<std::int64_t>(chance() % (PPM + 1));
    std::uint32_t credit = 0;
    Wide notional_sum = 0;
    Wide fee_sum = 0;
    for (int fill = 0; fill < 5; ++fill) {
      const auto notional = static_cast<std::int64_t>(chance() >> (2 + chance() % 60));
      notional_sum += notional;
      fee_sum += fee_of_fill(notional, rate, credit);
      REQUIRE(credit < PPM);
    }
    REQUIRE(fee_sum == (notional_sum * rate + PPM - 1) / PPM);
  }
  std::uint32_t credit = 7;
  REQUIRE(fee_of_fill(10'000'001, -100, credit) == -1000);
  REQUIRE(credit == 7);
}

void test_order_ids_are_found_and_reclaimed() {
  Chance chance(2);
  Orders orders;
  OrderIds ids(orders);
  std::map<std::uint64_t, std::uint32_t> twin;
  std::uint64_t next = 1;
  for (int time = 0; time < 200'000; ++time) {
    if (chance() % 100 < 52) {
      next += chance() % 50 == 0 ? chance() % 5000 : 1;
      const std::uint32_t order = orders.allocate();
      orders.hot(order).order_id = next;
      ids.add(next, order);
      twin[next] = order;
    } else if (!twin.empty()) {
      auto gone = twin.lower_bound(chance() % next);
      gone = gone == twin.end() ? twin.begin() : gone;
      ids.remove(gone->first, gone->second);
      orders.release(gone->second);
      twin.erase(gone);
    }
    const std::uint64_t asked = chance() % (next + 10);
    const auto found = twin.find(asked);
    REQUIRE(ids.find(asked) == (found == twin.end() ? 0 : found->second));
  }
  std::vector<std::uint32_t> expected;
  for (const auto& [id, order] : twin) {
    expected.push_back(order);
  }
  REQUIRE(ids.sorted() == expected);
}

void test_client_ids_are_remembered_and_forgotten() {
  Chance chance(3);
  ClientIds ids(chance());
  std::unordered_map<std::string, KnownId> twin;
  for (int time = 0; time < 200'000; ++time) {
    const std::uint32_t account = chance() % 3;
    const std::string name = "id-" + std::to_string(chance() % 20'000);
    const Text<40> text = text_of(name);
    const std::uint32_t hash = ids.hash(account, text);
    const std::string key = std::to_string(account) + name;
    const auto known = twin.find(key);
    REQUIRE(ids.find(hash, account, text) == (known == twin.end() ? 0 : known->second.node()));
    if (known == twin.end()) {
      twin[key] = ids.add(hash, account, text, 1);
    } else {
      ids.remove(known->second);
      twin.erase(known);
    }
    REQUIRE(ids.count() == twin.size());
  }
}

// Hashes so alike that buckets overflow, over the table's end too.
void test_client_ids_that_share_buckets_are_found() {
  Chance chance(6);
  ClientIds ids(chance());
  std::map<std::uint32_t, KnownId> twin;
  for (int time = 0; time < 100'000; ++time) {
    const std::uint32_t number = chance() % 300;
    const std::uint32_t hash = number % 5 - 3 + (number << 20);
    const Text<40> text = text_of("id-" + std::to_string(number));
    const auto known = twin.find(number);
    REQUIRE(ids.find(hash, 1, text) == (known == twin.end() ? 0 : known->second.node()));
    if (known == twin.end()) {
      twin[number] = ids.add(hash, 1, text, 1);
    } else {
      ids.remove(known->second);
      twin.erase(known);
    }
  }
}

void test_an_orders_ids_stay_in_order() {
  ClientIds ids(4);
  for (std::uint32_t count = 1; count < 40; ++count) {
    IdList list{};
    std::vector<std::uint32_t> expected;
    for (std::uint32_t number = 0; number < count; ++number) {
      const Text<40> text = text_of("id-" + std::to_string(number));
      const KnownId id = ids.add(ids.hash(1, text), 1, text, 1);
      ids.append(list, id);
      expected.push_back(id.node());
    }
    std::vector<std::uint32_t> told;
    ids.each(list, [&told](const KnownId& id) { told.push_back(id.node()); });
    REQUIRE(told == expected);
    REQUIRE(ids.remove_all(list) == count);
    REQUIRE(ids.count() == 0);
  }
}

// Orders of few stamps, some of which move to another one, as an amend of the date does.
void test_deadlines_are_those_of_a_set() {
  Chance chance(7);
  Orders orders;
  Deadlines deadlines(orders);
  std::set<std::tuple<std::int64_t, std::uint32_t, std::uint64_t, std::uint32_t>> twin;
  std::uint64_t last_id = 0;
  for (int time = 0; time < 200'000; ++time) {
    const auto at_ns = static_cast<std::int64_t>(1 + chance() % 12);
    auto some = twin.lower_bound({at_ns, Deadline::ORDER_EXPIRY, chance() % (last_id + 1), 0});
    const bool is_order = some != twin.end() && std::get<1>(*some) == Deadline::ORDER_EXPIRY;
    const auto draw = chance() % 100;
    if (draw < 45) {
      const std::uint32_t order = orders.allocate();
      orders.hot(order).order_id = ++last_id;
      deadlines.add_order(at_ns, order);
      twin.emplace(at_ns, Deadline::ORDER_EXPIRY, last_id, order);
    } else if (draw < 60 && is_order) {
      const auto [from_ns, kind, order_id, order] = *some;
      const auto to_ns = static_cast<std::int64_t>(1 + chance() % 12);
      deadlines.remove_order(from_ns, order);
      deadlines.add_order(to_ns, order);
      twin.erase(some);
      twin.emplace(to_ns, kind, order_id, order);
    } else if (draw < 95 && is_order) {
      deadlines.remove_order(std::get<0>(*some), std::get<3>(*some));
      orders.release(std::get<3>(*some));
      twin.erase(some);
    } else {
      const Deadline phase{at_ns, Deadline::PHASE_END, chance() % 3};
      const auto known = twin.emplace(at_ns, phase.kind, phase.number, 0);
      if (known.second) {
        deadlines.insert(phase);
      } else {
        deadlines.erase(phase);
        twin.erase(known.first);
      }
    }
    REQUIRE(deadlines.empty() == twin.empty());
    if (!twin.empty()) {
      const auto& [first_ns, kind, number, order] = *twin.begin();
      REQUIRE(deadlines.first() == (Deadline{first_ns, kind, number}));
    }
  }
}

// A side of a book as a map of queues.
struct SlowSide {
  std::map<std::int64_t, std::vector<std::uint32_t>> levels;

  void remove(std::int64_t price_ticks, std::uint32_t index) {
    std::erase(levels[price_ticks], index);
    if (levels[price_ticks].empty()) {
      levels.erase(price_ticks);
    }
  }
};

void require_same(const Orders& orders, BookSide& side, const SlowSide& slow) {
  REQUIRE(side.empty() == slow.levels.empty());
  std::vector<std::int64_t> prices;
  for (const auto& [price_ticks, queue] : slow.levels) {
    prices.push_back(price_ticks);
  }
  if (side.is_buy()) {
    std::reverse(prices.begin(), prices.end());
  }
  if (prices.empty()) {
    return;
  }
  std::int64_t price_ticks = side.best_ticks();
  std::size_t place = 0;
  for (Level* level = &side.best(); level != nullptr;
       level = side.behind(price_ticks, price_ticks)) {
    REQUIRE(place < prices.size() && price_ticks == prices[place]);
    REQUIRE(side.find(price_ticks) == level);
    const auto& queue = slow.levels.at(price_ticks);
    std::uint32_t index = level->head;
    for (const std::uint32_t expected : queue) {
      REQUIRE(index == expected);
      index = orders.hot(index).next;
    }
    REQUIRE(index == 0 && level->orders == queue.size());
    ++place;
  }
  REQUIRE(place == prices.size());
}

// Prices near and far, and a middle that wanders over many windows.
void test_levels_are_those_of_a_map(bool is_buy) {
  Chance chance(is_buy ? 4 : 5);
  Orders orders;
  BookSide side(orders, is_buy);
  SlowSide slow;
  std::vector<std::uint32_t> resting;
  std::int64_t middle = 50'000;
  for (int time = 0; time < 60'000; ++time) {
    if (chance() % 500 == 0) {
      middle = 1 + static_cast<std::int64_t>(chance() % 100'000);
    }
    if (resting.empty() || chance() % 100 < 51) {
      const std::uint32_t index = orders.allocate();
      HotOrder& order = orders.hot(index);
      order = HotOrder{};
      orders.cold(index) = ColdOrder{};
      order.leaves_lots = 1 + static_cast<std::int64_t>(chance() % 9);
      const auto reach = static_cast<std::int64_t>(chance() % (chance() % 4 == 0 ? 9000 : 40));
      order.price_ticks = std::max<std::int64_t>(1, middle + (is_buy ? -reach : reach));
      side.append(index);
      slow.levels[order.price_ticks].push_back(index);
      resting.push_back(index);
    } else {
      const std::size_t place = chance() % resting.size();
      const std::uint32_t index = resting[place];
      const std::int64_t price_ticks = orders.hot(index).price_ticks;
      side.remove(index, *side.find(price_ticks));
      slow.remove(price_ticks, index);
      orders.release(index);
      resting[place] = resting.back();
      resting.pop_back();
    }
    if (chance() % 3 != 0) {
      side.settle();
    }
    REQUIRE(slow.levels.empty() ||
            side.best_ticks() == (is_buy ? slow.levels.rbegin()->first
                                         : slow.levels.begin()->first));
    if (time % 500 == 0) {
      require_same(orders, side, slow);
    }
  }
}

}  // namespace

int main() {
  test_client_id_format();
  test_fees_round_up_once();
  test_order_ids_are_found_and_reclaimed();
  test_client_ids_are_remembered_and_forgotten();
  test_client_ids_that_share_buckets_are_found();
  test_deadlines_are_those_of_a_set();
  test_an_orders_ids_stay_in_order();
  test_levels_are_those_of_a_map(true);
  test_levels_are_those_of_a_map(false);
  return 0;
}
