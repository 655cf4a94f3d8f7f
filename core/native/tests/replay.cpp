// Applies recorded commands, in batches of many sizes, and writes down what the engine made of
// them: core_replay COMMANDS SEED EVENTS SNAPSHOT
//
// What it writes is compared with the reference engine's answers. Meant for the sanitizers' build.
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

std::vector<char> read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_bytes(std::ofstream& file, std::span<const std::byte> bytes) {
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
}

// The end of a batch of `count` commands from `at` on; a group is one.
std::size_t end_of_batch(std::span<const std::byte> commands, std::size_t at, std::size_t count) {
  for (; count != 0 && at < commands.size(); --count) {
    bool is_over = false;
    while (!is_over) {
      const auto& command = *reinterpret_cast<const core::commands::Header*>(commands.data() + at);
      at += command.length;
      is_over = command.group_left == 0;
    }
  }
  return at;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) {
    std::fprintf(stderr, "usage: core_replay COMMANDS SEED EVENTS SNAPSHOT\n");
    return 64;
  }
  const std::vector<char> recorded = read_file(arguments[1]);
  const std::span commands(reinterpret_cast<const std::byte*>(recorded.data()), recorded.size());
  std::mt19937_64 chance(std::strtoull(arguments[2], nullptr, 10));
  std::ofstream events_file(arguments[3], std::ios::binary);
  core::Engine engine({chance(), core::STEPS_PER_COMMAND_MAX});
  core::Bytes output(100'000);
  for (std::size_t at = 0; at < commands.size();) {
    const std::size_t end = end_of_batch(commands, at, 1 + chance() % 300);
    std::span<const std::byte> events;
    const core::Outcome outcome =
        engine.apply(commands.subspan(at, end - at), {output.data(), output.size()}, events);
    if (outcome.status != core::Status::DONE) {
      std::fprintf(stderr, "replay: %s, at byte %zu\n", outcome.what, at + outcome.at);
      return 1;
    }
    write_bytes(events_file, events);
    at = end;
  }
  std::ofstream snapshot_file(arguments[4], std::ios::binary);
  write_bytes(snapshot_file, engine.snapshot());
  return 0;
}
