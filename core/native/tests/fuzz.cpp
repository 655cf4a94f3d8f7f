// Feeds damaged commands and damaged snapshots to the engine: core_fuzz COMMANDS SEED ROUNDS
//
// Whatever it is given, the engine refuses it or is in a state that it can write down and take
// over again; a refused batch changed nothing. Meant for the sanitizers' build.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include "core/engine.hpp"

namespace {

using core::Bytes;
using core::Status;
using Chance = std::mt19937_64;

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "fuzz: %s\n", what);
  std::abort();
}

std::vector<Bytes> read_records(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> text{std::istreambuf_iterator<char>(file), {}};
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  std::vector<Bytes> records;
  for (std::size_t at = 0; at + 4 <= text.size();) {
    std::uint16_t length = 0;
    std::memcpy(&length, data + at, sizeof(length));
    if (length == 0 || at + length > text.size()) {
      break;
    }
    records.emplace_back(data + at, data + at + length);
    at += length;
  }
  return records;
}

std::size_t below(Chance& chance, std::size_t limit) { return chance() % limit; }

// Change a few bytes, or a word to an edge of its range.
void damage(Chance& chance, Bytes& data, std::size_t from) {
  if (data.size() <= from + 8) {
    return;
  }
  constexpr std::uint64_t EDGES[] = {0, 1, ~0ULL, 1ULL << 62, (1ULL << 62) - 1, 1ULL << 63,
                                     (1ULL << 63) - 1, 0xFFFFFFFFULL, 3, 100};
  for (std::size_t count = 1 + below(chance, 3); count != 0; --count) {
    const std::size_t at = from + below(chance, data.size() - from - 7);
    if (below(chance, 2) == 0) {
      data[at] = static_cast<std::byte>(chance());
    } else {
      std::memcpy(&data[at - at % 8], &EDGES[below(chance, std::size(EDGES))], 8);
    }
  }
}

// Number and stamp a record as the sequencer would, so that it gets as far as it can.
void number(const core::Engine& engine, Bytes& record) {
  auto& header = *reinterpret_cast<core::commands::Header*>(record.data());
  header.sequence = engine.last_sequence() + 1;
  if (header.time_ns < engine.last_time_ns()) {
    header.time_ns = engine.last_time_ns();
  }
}

bool give(core::Engine& engine, const Bytes& record, Bytes& output) {
  std::span<const std::byte> events;
  const std::uint64_t before = engine.last_sequence();
  const core::Outcome outcome =
      engine.apply(record, {output.data(), output.size()}, events);
  if (outcome.status == Status::MALFORMED && engine.last_sequence() != before) {
    fail("a refused batch changed something");
  }
  return outcome.status == Status::DONE || outcome.status == Status::MALFORMED;
}

void require_restorable(const core::Engine& engine, const Bytes& snapshot) {
  core::Engine other;
  if (const core::Outcome outcome = other.restore(snapshot); outcome.status != Status::DONE) {
    fail(outcome.what);
  }
  if (other.snapshot() != snapshot || other.definitions() != engine.definitions() ||
      other.balances() != engine.balances() ||
      other.next_deadline() != engine.next_deadline()) {
    fail("a restored state is another one");
  }
}

// Apply records, some damaged; say whether the engine lived.
bool run(core::Engine& engine, const std::vector<Bytes>& records, std::size_t from,
         std::size_t count, unsigned damaged_percent, Chance& chance) {
  Bytes output(below(chance, 3) * 400);
  for (std::size_t at = from; at < std::min(records.size(), from + count); ++at) {
    Bytes record = records[at];
    if (below(chance, 100) < damaged_percent) {
      const std::size_t untouched = below(chance, 10) == 0 ? 0 : 24;
      damage(chance, record, untouched);
      if (below(chance, 20) == 0) {
        record.resize(below(chance, record.size() + 1));
      }
    }
    if (record.size() >= sizeof(core::commands::Header)) {
      number(engine, record);
    }
    if (!give(engine, record, output)) {
      return false;
    }
  }
  return true;
}

void damage_snapshots(const Bytes& snapshot, const std::vector<Bytes>& records,
                      std::size_t from, Chance& chance) {
  for (int time = 0; time < 40; ++time) {
    Bytes damaged = snapshot;
    if (below(chance, 8) == 0) {
      damaged.resize(below(chance, damaged.size()));
    } else {
      damage(chance, damaged, 0);
    }
    core::Engine engine;
    if (engine.restore(damaged).status != Status::DONE) {
      continue;
    }
    if (engine.snapshot() != damaged) {
      fail("a state was taken over that is written otherwise");
    }
    if (run(engine, records, from, 300, 5, chance)) {
      static_cast<void>(engine.snapshot());
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    std::fprintf(stderr, "usage: core_fuzz COMMANDS SEED ROUNDS\n");
    return 64;
  }
  const std::vector<Bytes> records = read_records(arguments[1]);
  Chance chance(std::strtoull(arguments[2], nullptr, 10));
  const int rounds = std::atoi(arguments[3]);
  for (int round = 0; round < rounds; ++round) {
    const core::Settings settings{chance(), below(chance, 3) == 0 ? 3U : 20'000U};
    core::Engine engine(settings);
    const auto percent = static_cast<unsigned>(below(chance, 4) * 7);
    const std::size_t length = 100 + below(chance, records.size());
    // The set-up is damaged rarely: without it little else can happen.
    const std::size_t set_up = std::min<std::size_t>(records.size(), 100);
    if (!run(engine, records, 0, set_up, below(chance, 5) == 0 ? percent : 0, chance) ||
        !run(engine, records, set_up, length, percent, chance)) {
      continue;
    }
    const Bytes snapshot = engine.snapshot();
    require_restorable(engine, snapshot);
    damage_snapshots(snapshot, records, below(chance, records.size()), chance);
  }
  std::printf("%d rounds over %zu records\n", rounds, records.size());
  return 0;
}
