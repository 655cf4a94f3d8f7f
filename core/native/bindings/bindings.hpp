// What the files of this folder share.
#pragma once

#include <nanobind/nanobind.h>

#include <cstddef>
#include <span>

namespace bindings {

namespace nb = nanobind;

// Bytes that somebody else owns, for as long as this lives.
class Buffer {
 public:
  Buffer(nb::handle owner, int flags) {
    if (PyObject_GetBuffer(owner.ptr(), &view_, flags) != 0) {
      throw nb::python_error();
    }
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { PyBuffer_Release(&view_); }

  [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(view_.buf); }
  [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(view_.len); }
  [[nodiscard]] std::span<const std::byte> bytes() const { return {data(), size()}; }

 private:
  Py_buffer view_{};
};

inline nb::bytes to_bytes(std::span<const std::byte> data) {
  return nb::bytes(reinterpret_cast<const char*>(data.data()), data.size());
}

void bind_journal(nb::module_& module);
void bind_ledger(nb::module_& module);
void bind_statements(nb::module_& module);

}  // namespace bindings
