#include "core/memory.hpp"

namespace core {

namespace {

constexpr std::size_t LARGE_PAGE = std::size_t{2} << 20;

void* map(std::size_t bytes) {
  void* place = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (place == MAP_FAILED) {
    throw std::bad_alloc();
  }
  return place;
}

}  // namespace

void* map_pages(std::size_t bytes) {
  if (bytes < LARGE_PAGE) {
    return map(bytes);
  }
  // More than wanted, and then cut to where a large page begins.
  auto* begin = static_cast<char*>(map(bytes + LARGE_PAGE));
  const std::size_t ahead =
      (LARGE_PAGE - reinterpret_cast<std::uintptr_t>(begin) % LARGE_PAGE) % LARGE_PAGE;
  if (ahead != 0) {
    ::munmap(begin, ahead);
  }
  ::munmap(begin + ahead + bytes, LARGE_PAGE - ahead);
  ::madvise(begin + ahead, bytes, MADV_HUGEPAGE);
  return begin + ahead;
}

void* move_pages(void* from, std::size_t bytes, std::size_t new_bytes) {
  void* place = map_pages(new_bytes);
  // Moved and made longer at once, so that it stays one mapping: kernels before 6.17 move no more
  // than one at a time.
  if (::mremap(from, bytes, new_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, place) == MAP_FAILED) {
    // `place` is not unmapped: the kernel may have done that, and others may stand there by now.
    throw std::bad_alloc();
  }
  if (new_bytes >= LARGE_PAGE) {
    ::madvise(place, new_bytes, MADV_HUGEPAGE);
  }
  return place;
}

}  // namespace core
