// When the engine asks for memory, and what it does when there is none: core_memory COMMANDS WARM
//
// COMMANDS make a venue that outgrows its first pages; after the first WARM of them it has what the
// rest needs. Prints nothing but failures.
#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "core/engine.hpp"

namespace {

bool is_move_refused = false;
std::uint64_t asked = 0;  // how often anybody asked for memory

}  // namespace

// Those with an alignment are not counted apart: the core's only aligned records are in pages.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++asked;
  if (void* place = std::malloc(size != 0 ? size : 1); place != nullptr) {
    return place;
  }
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* place) noexcept { std::free(place); }
[[gnu::noinline]] void operator delete(void* place, std::size_t) noexcept { std::free(place); }

// The linker puts these in the place of the system's.
extern "C" {

void* __real_mmap(void*, std::size_t, int, int, int, off_t);
void* __real_mremap(void*, std::size_t, std::size_t, int, ...);

void* __wrap_mmap(void* place, std::size_t size, int rights, int flags, int file, off_t offset) {
  ++asked;
  return __real_mmap(place, size, rights, flags, file, offset);
}

void* __wrap_mremap(void* from, std::size_t size, std::size_t new_size, int flags, void* place) {
  ++asked;
  if (is_move_refused) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return __real_mremap(from, size, new_size, flags, place);
}

}  // extern "C"

namespace {

#define REQUIRE(condition)                                                        \
  do {                                                                            \
    if (!(condition)) {                                                           \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);        \
      std::exit(1);                                                               \
    }                                                                             \
  } while (false)

using Array = core::MappedArray<std::uint32_t>;

// Fill an array up to a size, or look whether it still is.
void fill(Array& array, std::size_t size) {
  for (std::size_t place = 0; place < size; ++place) {
    array[place] = static_cast<std::uint32_t>(place * 7 + 1);
  }
}
bool is_filled(const Array& array, std::size_t size) {
  for (std::size_t place = 0; place < size; ++place) {
    if (array[place] != static_cast<std::uint32_t>(place * 7 + 1)) {
      return false;
    }
  }
  return true;
}

// Whether one mapping of this process holds all of it.
bool is_one_mapping(const Array& array) {
  const auto first = reinterpret_cast<std::uintptr_t>(array.data());
  const std::uintptr_t end = first + array.size() * sizeof(std::uint32_t);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    char* rest = nullptr;
    const std::uintptr_t begins = std::strtoull(line.c_str(), &rest, 16);
    const std::uintptr_t ends = std::strtoull(rest + 1, nullptr, 16);
    if (begins <= first && first < ends) {
      return end <= ends;
    }
  }
  return false;
}

void test_an_array_keeps_its_items_and_stays_one_mapping() {
  Array array;
  array.grow(1);
  for (std::size_t size = array.size(); size < 4'000'000; size = array.size()) {
    fill(array, size);
    array.grow(size + 1);
    REQUIRE(array.size() == 2 * size);
    REQUIRE(is_filled(array, size));
    REQUIRE(array[size] == 0 && array[2 * size - 1] == 0);
    REQUIRE(is_one_mapping(array));
  }
}

void test_an_array_that_cannot_move_is_as_it_was() {
  Array array;
  array.grow(1);
  fill(array, array.size());
  const std::size_t size = array.size();
  is_move_refused = true;
  bool is_refused = false;
  try {
    array.grow(size + 1);
  } catch (const std::bad_alloc&) {
    is_refused = true;
  }
  is_move_refused = false;
  REQUIRE(is_refused);
  REQUIRE(array.size() == size && is_filled(array, size));
  array.grow(size + 1);
  REQUIRE(is_filled(array, size));
}

std::vector<char> read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

using Commands = std::vector<std::span<const std::byte>>;

Commands split(std::span<const std::byte> data) {
  Commands found;
  std::size_t size = 0;
  while (size < data.size()) {
    const auto& command = *reinterpret_cast<const core::commands::Header*>(data.data() + size);
    size += command.length;
    if (command.group_left == 0) {  // a group is one command
      found.push_back(data.first(size));
      data = data.subspan(size);
      size = 0;
    }
  }
  return found;
}

// Apply commands one by one; stop at the first that is not done.
core::Status apply_all(core::Engine& engine, std::span<const std::span<const std::byte>> commands) {
  static core::Bytes room(1 << 20);
  for (const std::span<const std::byte> command : commands) {
    std::span<const std::byte> events;
    const core::Outcome outcome = engine.apply(command, {room.data(), room.size()}, events);
    if (outcome.status != core::Status::DONE) {
      return outcome.status;
    }
  }
  return core::Status::DONE;
}

void test_a_warm_engine_asks_for_no_memory(const Commands& commands, std::size_t warm) {
  const std::span all(commands);
  core::Engine engine({1, core::STEPS_PER_COMMAND_MAX});
  REQUIRE(warm < all.size());
  REQUIRE(apply_all(engine, all.first(warm)) == core::Status::DONE);
  const std::uint64_t before = asked;
  REQUIRE(before != 0);
  REQUIRE(apply_all(engine, all.subspan(warm)) == core::Status::DONE);
  if (asked != before) {
    std::fprintf(stderr, "asked for memory %llu times\n",
                 static_cast<unsigned long long>(asked - before));
    std::exit(1);
  }
}

void test_an_engine_that_cannot_grow_says_so(const Commands& commands) {
  core::Engine engine({1, core::STEPS_PER_COMMAND_MAX});
  is_move_refused = true;
  REQUIRE(apply_all(engine, commands) == core::Status::OUT_OF_MEMORY);
  is_move_refused = false;
  REQUIRE(apply_all(engine, commands) == core::Status::BROKEN);
  core::Engine other({1, core::STEPS_PER_COMMAND_MAX});
  REQUIRE(apply_all(other, commands) == core::Status::DONE);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: core_memory COMMANDS WARM\n");
    return 64;
  }
  const std::vector<char> recorded = read_file(arguments[1]);
  const Commands commands = split(std::as_bytes(std::span(recorded)));
  test_an_array_keeps_its_items_and_stays_one_mapping();
  test_an_array_that_cannot_move_is_as_it_was();
  test_an_engine_that_cannot_grow_says_so(commands);
  test_a_warm_engine_asks_for_no_memory(commands, std::strtoull(arguments[2], nullptr, 10));
  return 0;
}
