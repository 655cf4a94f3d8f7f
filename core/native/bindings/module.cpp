// The engine in Python. The only file here that knows Python.
#include <nanobind/nanobind.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <stdexcept>
#include <string>

#include "core/engine.hpp"

namespace nb = nanobind;

namespace {

// Room for this many bytes of events a command is tried first; more goes through a copy.
constexpr std::size_t EVENT_BYTES_GUESS = 320;
constexpr std::size_t SPARE_BYTES = 4096;

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

void require_done(const core::Outcome& outcome) {
  switch (outcome.status) {
    case core::Status::DONE:
      return;
    case core::Status::MALFORMED: {
      const std::string what = std::string(outcome.what) + ", at byte " + std::to_string(outcome.at);
      throw nb::value_error(what.c_str());
    }
    case core::Status::OUT_OF_MEMORY:
      throw std::bad_alloc();
    case core::Status::BROKEN:
      throw std::runtime_error(std::string("a broken invariant: ") + outcome.what);
  }
}

nb::bytes to_bytes(std::span<const std::byte> data) {
  return nb::bytes(reinterpret_cast<const char*>(data.data()), data.size());
}

nb::object apply(core::Engine& engine, nb::handle commands) {
  const Buffer input(commands, PyBUF_SIMPLE);
  const std::size_t room =
      input.size() / sizeof(core::commands::Header) * EVENT_BYTES_GUESS / 2 + SPARE_BYTES;
  PyObject* result = PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(room));
  if (result == nullptr) {
    throw nb::python_error();
  }
  auto* lent = reinterpret_cast<std::byte*>(PyBytes_AS_STRING(result));
  std::span<const std::byte> events;
  core::Outcome outcome;
  {
    const nb::gil_scoped_release release;
    outcome = engine.apply(input.bytes(), {lent, room}, events);
  }
  if (outcome.status != core::Status::DONE || events.data() != lent) {
    Py_DECREF(result);
    require_done(outcome);
    return to_bytes(events);
  }
  if (_PyBytes_Resize(&result, static_cast<Py_ssize_t>(events.size())) != 0) {
    throw nb::python_error();
  }
  return nb::steal(result);
}

std::size_t apply_into(core::Engine& engine, nb::handle commands, nb::handle out) {
  if (!PyByteArray_Check(out.ptr())) {
    throw nb::type_error("out is not a bytearray");
  }
  const Buffer input(commands, PyBUF_SIMPLE);
  std::span<const std::byte> events;
  core::Outcome outcome;
  bool is_in_place = false;
  {
    const Buffer lent(out, PyBUF_WRITABLE);
    {
      const nb::gil_scoped_release release;
      outcome = engine.apply(input.bytes(), {lent.data(), lent.size()}, events);
    }
    is_in_place = events.data() == lent.data();
  }
  require_done(outcome);
  if (!is_in_place && !events.empty()) {
    if (PyByteArray_Resize(out.ptr(), static_cast<Py_ssize_t>(events.size())) != 0) {
      throw nb::python_error();
    }
    std::memcpy(PyByteArray_AS_STRING(out.ptr()), events.data(), events.size());
  }
  return events.size();
}

void restore(core::Engine& engine, nb::handle snapshot) {
  const Buffer input(snapshot, PyBUF_SIMPLE);
  core::Outcome outcome;
  {
    const nb::gil_scoped_release release;
    outcome = engine.restore(input.bytes());
  }
  if (outcome.status == core::Status::MALFORMED) {
    throw nb::value_error(outcome.what);
  }
  require_done(outcome);
}

}  // namespace

NB_MODULE(_native, module) {
  module.doc() = "The native engine; ``core.engine`` is its face.";
  // An engine that lives until the interpreter ends is no leak, and users are not to be told so.
  nb::set_leak_warnings(false);
  nb::class_<core::Engine>(module, "Engine")
      .def(
          "__init__",
          [](core::Engine* engine, std::uint64_t seed, std::uint32_t steps_per_command_max) {
            new (engine) core::Engine({seed, steps_per_command_max});
          },
          nb::arg("seed"), nb::arg("steps_per_command_max") = core::STEPS_PER_COMMAND_MAX)
      .def("apply", &apply, nb::arg("commands"), nb::sig("def apply(self, commands: bytes) -> bytes"))
      .def("apply_into", &apply_into, nb::arg("commands"), nb::arg("out"),
           nb::sig("def apply_into(self, commands: bytes | bytearray | memoryview, out: bytearray)"
                   " -> int"))
      .def("snapshot",
           [](const core::Engine& engine) { return to_bytes(engine.snapshot()); })
      .def("restore", &restore, nb::arg("snapshot"),
           nb::sig("def restore(self, snapshot: bytes) -> None"))
      .def("next_deadline", &core::Engine::next_deadline)
      .def_prop_ro("last_sequence", &core::Engine::last_sequence)
      .def_prop_ro("last_event", &core::Engine::last_event)
      .def_prop_ro("last_time_ns", &core::Engine::last_time_ns)
      .def("sources",
           [](const core::Engine& engine, std::uint32_t principal) {
             std::vector<std::tuple<std::uint32_t, std::uint32_t, std::uint64_t>> found;
             for (const core::SourcePosition& position : engine.sources(principal)) {
               found.emplace_back(position.source, position.epoch, position.sequence);
             }
             return found;
           },
           nb::arg("principal"))
      .def("definitions",
           [](const core::Engine& engine) { return to_bytes(engine.definitions()); })
      .def("balances", &core::Engine::balances)
      .def("assets", &core::Engine::assets);
}
