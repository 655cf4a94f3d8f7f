// Memory that runs out while a frame is admitted: all of the frame is admitted, or nothing.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "core/admission.hpp"

namespace {

// How many allocations succeed before one fails; negative for all.
long allocations_left = -1;

}  // namespace

void* operator new(std::size_t size) {
  if (allocations_left == 0) {
    throw std::bad_alloc();
  }
  allocations_left -= allocations_left > 0 ? 1 : 0;
  if (void* found = std::malloc(size)) {
    return found;
  }
  throw std::bad_alloc();
}
void operator delete(void* freed) noexcept { std::free(freed); }
void operator delete(void* freed, std::size_t) noexcept { std::free(freed); }

namespace {

using namespace core::ingress;  // NOLINT: the whole of it is under test
using core::commands::CancelOrder;
using core::commands::Header;

#define REQUIRE(condition)                                                        \
  do {                                                                            \
    if (!(condition)) {                                                           \
      std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                               \
    }                                                                             \
  } while (false)

constexpr std::uint32_t PRINCIPAL = 3;
constexpr std::size_t RECORDS = 12;

// Every third record is another principal's.
std::vector<std::byte> make_frame() {
  const auto& shape = core::commands::SHAPES[CancelOrder::KIND];
  std::vector<std::byte> frame(RECORDS * shape.length);
  for (std::size_t index = 0; index < RECORDS; ++index) {
    Header head{};
    head.length = static_cast<decltype(head.length)>(shape.length);
    head.kind = CancelOrder::KIND;
    head.version = static_cast<decltype(head.version)>(shape.version);
    head.source = (index % 3 == 1 ? PRINCIPAL + 1 : PRINCIPAL) << core::SOURCE_BITS;
    std::memcpy(frame.data() + index * shape.length, &head, sizeof head);
  }
  return frame;
}

// Returns whether the frame was admitted.
bool try_admit(long allocations, const std::vector<std::byte>& frame) {
  Admission admission({256, 64, 64, 0}, 0);
  Inbox::Kinds kinds;
  kinds.set(CancelOrder::KIND);
  const auto inbox = std::make_shared<Inbox>(PRINCIPAL, kinds);
  Refused refused;
  bool is_admitted = true;
  allocations_left = allocations;
  try {
    admission.admit(inbox, frame, refused);
  } catch (const std::bad_alloc&) {
    is_admitted = false;
  }
  allocations_left = -1;
  const std::size_t expected = is_admitted ? RECORDS - RECORDS / 3 : 0;
  REQUIRE(inbox->records.count() == expected && admission.queued() == expected);
  REQUIRE(admission.is_empty() == !is_admitted);
  REQUIRE(!is_admitted || refused.refusals.size() == RECORDS / 3);
  return is_admitted;
}

}  // namespace

int main() {
  const std::vector<std::byte> frame = make_frame();
  long allocations = 0;
  while (!try_admit(allocations, frame)) {
    ++allocations;
  }
  REQUIRE(allocations >= 4);
  return 0;
}
