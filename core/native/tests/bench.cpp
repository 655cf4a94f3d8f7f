// Measures the engine without Python: core_bench BEFORE COMMANDS BATCH ROUNDS [rates]
//
// Prints one line of JSON: commands a second of the thread's processor time (median and best of
// the rounds), percentiles of single commands (every eighth, by the processor's clock), memory,
// the trades and their hash (bench/core_engines.py states its rule).
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <vector>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "core/engine.hpp"

namespace {

using core::Bytes;

Bytes read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> text{std::istreambuf_iterator<char>(file), {}};
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::uint64_t ticks() {
#if defined(__x86_64__)
  unsigned processor = 0;
  return __rdtscp(&processor);
#else
  return static_cast<std::uint64_t>(
      std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

double ticks_per_ns() {
  const auto began = std::chrono::steady_clock::now();
  const std::uint64_t from = ticks();
  while (std::chrono::steady_clock::now() - began < std::chrono::milliseconds(50)) {
  }
  const std::uint64_t to = ticks();
  const auto passed = std::chrono::steady_clock::now() - began;
  return static_cast<double>(to - from) /
         static_cast<double>(std::chrono::nanoseconds(passed).count());
}

std::uint16_t length_at(const Bytes& data, std::size_t at) {
  return reinterpret_cast<const core::commands::Header*>(data.data() + at)->length;
}

// Where each batch of so many commands begins, and the end.
std::vector<std::size_t> borders(const Bytes& data, std::size_t batch, std::size_t& commands) {
  std::vector<std::size_t> found{0};
  commands = 0;
  for (std::size_t at = 0; at < data.size(); at += length_at(data, at)) {
    if (commands != 0 && commands % batch == 0) {
      found.push_back(at);
    }
    ++commands;
  }
  found.push_back(data.size());
  return found;
}

std::span<const std::byte> apply(core::Engine& engine, const Bytes& data, std::size_t from,
                                 std::size_t to, Bytes& output) {
  std::span<const std::byte> events;
  const core::Outcome outcome =
      engine.apply({data.data() + from, to - from}, {output.data(), output.size()}, events);
  if (outcome.status != core::Status::DONE) {
    std::fprintf(stderr, "%s at %zu\n", outcome.what, from + outcome.at);
    std::exit(1);
  }
  return events;
}

// The trades among events, in order.
struct Trades {
  std::uint64_t count = 0;
  std::uint64_t hash = 1469598103934665603u;

  void add(std::span<const std::byte> events) {
    for (std::size_t at = 0; at < events.size();) {
      const auto& event =
          *reinterpret_cast<const core::events::TradeExecuted*>(events.data() + at);
      if (event.kind == core::events::TradeExecuted::KIND) {
        ++count;
        hash ^= event.maker_order_id * 31 + event.taker_order_id * 17 +
                static_cast<std::uint64_t>(event.price_ticks) * 7 +
                static_cast<std::uint64_t>(event.quantity_lots);
        hash *= 1099511628211u;
      }
      at += event.length;
    }
  }
};

long resident_kib() {
  std::ifstream file("/proc/self/statm");
  long all = 0;
  long resident = 0;
  file >> all >> resident;
  return resident * 4;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 5 || count > 6) {
    std::fprintf(stderr, "usage: core_bench BEFORE COMMANDS BATCH ROUNDS [rates]\n");
    return 64;
  }
  const Bytes before = read_file(arguments[1]);
  const Bytes data = read_file(arguments[2]);
  const auto batch = static_cast<std::size_t>(std::atoi(arguments[3]));
  const int rounds = std::atoi(arguments[4]);
  std::size_t commands = 0;
  std::size_t ignored = 0;
  const std::vector<std::size_t> batches = borders(data, batch, commands);
  const std::vector<std::size_t> singles = borders(data, 1, ignored);
  Bytes output(std::max<std::size_t>(batch * 1024, before.size() * 2) + 65536);
  std::vector<double> rates;
  long memory_kib = 0;
  for (int round = 0; round < rounds; ++round) {
    const long resident_before = resident_kib();
    core::Engine engine;
    apply(engine, before, 0, before.size(), output);
    const double began = thread_seconds();
    for (std::size_t at = 0; at + 1 < batches.size(); ++at) {
      apply(engine, data, batches[at], batches[at + 1], output);
    }
    rates.push_back(static_cast<double>(commands) / (thread_seconds() - began));
    memory_kib = std::max(memory_kib, resident_kib() - resident_before);
  }
  std::sort(rates.begin(), rates.end());
  if (count == 6) {  // for counting instructions: nothing else shall be counted
    std::printf("{\"commands_per_s\": %.0f}\n", rates[rates.size() / 2]);
    return 0;
  }

  core::Engine engine;
  apply(engine, before, 0, before.size(), output);
  const double scale = ticks_per_ns();
  std::vector<std::uint64_t> laps;
  Trades trades;
  for (std::size_t at = 0; at + 1 < singles.size(); ++at) {
    if (at % 8 != 0) {
      trades.add(apply(engine, data, singles[at], singles[at + 1], output));
      continue;
    }
    const std::uint64_t from = ticks();
    const auto events = apply(engine, data, singles[at], singles[at + 1], output);
    laps.push_back(ticks() - from);
    trades.add(events);
  }
  std::sort(laps.begin(), laps.end());
  const auto percentile = [&](double share) {
    const auto place = static_cast<std::size_t>(static_cast<double>(laps.size() - 1) * share);
    return static_cast<double>(laps[place]) / scale;
  };
  std::printf("{\"commands_per_s\": %.0f, \"commands_per_s_best\": %.0f, \"p50_ns\": %.0f, "
              "\"p99_ns\": %.0f, \"p999_ns\": %.0f, \"memory_kib\": %ld, \"trades\": %" PRIu64
              ", \"trade_hash\": \"%016" PRIx64 "\", \"order_bytes_hot\": %zu, "
              "\"order_bytes_cold\": %zu}\n",
              rates[rates.size() / 2], rates.back(), percentile(0.5), percentile(0.99),
              percentile(0.999), memory_kib, trades.count, trades.hash, sizeof(core::HotOrder),
              sizeof(core::ColdOrder));
  return 0;
}
