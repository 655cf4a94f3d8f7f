// The core in Python. Only the files in this folder know Python.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>

#include "bindings.hpp"
#include "core/admission.hpp"
#include "core/engine.hpp"
#include "core/event_filter.hpp"
#include "core/event_records.hpp"

namespace nb = nanobind;
namespace ingress = core::ingress;

namespace {

using bindings::Buffer;
using bindings::to_bytes;

// Room for this many bytes of events a command is tried first; more goes through a copy.
constexpr std::size_t EVENT_BYTES_GUESS = 320;
constexpr std::size_t SPARE_BYTES = 4096;

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

// Whether two buffers share a byte: events written over commands would become commands.
bool overlap(const Buffer& one, const Buffer& other) {
  const auto first = reinterpret_cast<std::uintptr_t>(one.data());
  const auto second = reinterpret_cast<std::uintptr_t>(other.data());
  return first < second + other.size() && second < first + one.size();
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
    if (overlap(input, lent)) {
      throw nb::value_error("out overlaps the commands");
    }
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

// Admission.

// First and last account, session, first and last timer's session, firm.
using Realm = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t,
                         std::uint32_t, std::uint32_t>;

void make_inbox(ingress::Inbox* inbox, std::uint32_t principal,
                const std::vector<std::size_t>& may_send, const std::optional<Realm>& realm) {
  ingress::Inbox::Kinds kinds;
  for (const std::size_t kind : may_send) {
    if (kind >= kinds.size() || core::commands::SHAPES[kind].length == 0) {
      throw nb::value_error("no such kind of command");
    }
    kinds.set(kind);
  }
  std::optional<ingress::Realm> bound_to;
  if (realm) {
    bound_to = std::make_from_tuple<ingress::Realm>(*realm);
  }
  new (inbox) ingress::Inbox(principal, kinds, bound_to);
}

// None, or the refusals' bytes and how many have each code.
nb::object admit(ingress::Admission& admission, const std::shared_ptr<ingress::Inbox>& inbox,
                 nb::handle records) {
  const Buffer input(records, PyBUF_SIMPLE);
  if (const auto bad = ingress::Admission::find_unwalkable(input.bytes())) {
    const std::string what = std::string(bad->what) + ", at byte " + std::to_string(bad->at);
    throw nb::value_error(what.c_str());
  }
  ingress::Refused refused;
  admission.admit(inbox, input.bytes(), refused);
  if (refused.refusals.empty()) {
    return nb::none();
  }
  nb::list codes;
  for (const auto& [code, count] : refused.codes) {
    codes.append(nb::make_tuple(code, count));
  }
  return nb::make_tuple(to_bytes(std::as_bytes(std::span(refused.refusals))), codes);
}

void admit_own(ingress::Admission& admission, nb::handle record, ingress::Inbox* after) {
  const Buffer input(record, PyBUF_SIMPLE);
  if (!admission.admit_own(input.bytes(), after)) {
    throw nb::value_error("not exactly one command");
  }
}

nb::tuple take(ingress::Admission& admission, std::size_t limit, nb::handle first,
               std::uint64_t sequence, std::int64_t time_ns) {
  const Buffer begin(first, PyBUF_SIMPLE);
  if (limit == 0 || (begin.size() != 0 && !ingress::is_one_command(begin.bytes()))) {
    throw nb::value_error("a limit of 0, or not exactly one command");
  }
  PyObject* commands = nullptr;
  const ingress::Batch batch =
      admission.take(limit, begin.bytes(), {sequence, time_ns}, [&commands](std::size_t size) {
        commands = PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(size));
        return commands == nullptr ? nullptr
                                   : reinterpret_cast<std::byte*>(PyBytes_AS_STRING(commands));
      });
  if (commands == nullptr) {
    throw nb::python_error();
  }
  nb::list kinds;
  for (std::size_t kind = 0; kind < batch.kinds.size(); ++kind) {
    if (batch.kinds[kind] != 0) {
      kinds.append(nb::make_tuple(kind, batch.kinds[kind]));
    }
  }
  return nb::make_tuple(nb::steal(commands), batch.count, kinds);
}

void bind_admission(nb::module_& module) {
  nb::class_<ingress::Inbox>(module, "Inbox")
      .def("__init__", &make_inbox, nb::arg("principal"), nb::arg("may_send"),
           nb::arg("realm").none())
      .def_rw("is_closed", &ingress::Inbox::is_closed)
      .def_prop_ro("queued", [](const ingress::Inbox& inbox) { return inbox.records.count(); });
  nb::class_<ingress::Admission>(module, "Admission")
      .def(
          "__init__",
          [](ingress::Admission* admission, std::size_t commands_per_link_max,
             std::size_t queued_per_link_max, std::size_t queued_max,
             std::size_t session_records_kept, std::uint32_t own_source) {
            const ingress::AdmissionLimits limits{commands_per_link_max, queued_per_link_max,
                                               queued_max, session_records_kept};
            new (admission) ingress::Admission(limits, own_source);
          },
          nb::kw_only(), nb::arg("commands_per_link_max"), nb::arg("queued_per_link_max"),
          nb::arg("queued_max"), nb::arg("session_records_kept"), nb::arg("own_source"))
      .def_rw("closed_with", &ingress::Admission::closed_with)
      .def_prop_ro("queued", &ingress::Admission::queued)
      .def("__bool__", [](const ingress::Admission& admission) { return !admission.is_empty(); })
      .def("has_leftovers", &ingress::Admission::has_leftovers, nb::arg("principal"))
      .def("admit", &admit, nb::arg("inbox"), nb::arg("records"),
           nb::sig("def admit(self, inbox: Inbox, records: bytes | memoryview)"
                   " -> tuple[bytes, list[tuple[int, int]]] | None"))
      .def("admit_own", &admit_own, nb::arg("record"), nb::arg("after").none(),
           nb::sig("def admit_own(self, record: bytes, after: Inbox | None) -> None"))
      .def("take", &take, nb::arg("limit"), nb::arg("first"), nb::arg("sequence"),
           nb::arg("time_ns"),
           nb::sig("def take(self, limit: int, first: bytes, sequence: int, time_ns: int)"
                   " -> tuple[bytes, int, list[tuple[int, int]]]"));
}

// Event records.

// Where it is, and the number of the event before it.
std::pair<std::size_t, std::uint64_t> border_of(const core::EventBorder& border) {
  if (border.is_damaged) {
    const std::string what = "no event record at byte " + std::to_string(border.offset);
    throw nb::value_error(what.c_str());
  }
  return {border.offset, border.last};
}

std::string text_of(const core::Finding& found) {
  switch (found.fault) {
    case core::Fault::WRONG_NUMBER:
      return "expected event " + std::to_string(found.last + 1) + ", found " +
             std::to_string(found.number);
    case core::Fault::WRONG_LENGTH:
      return "event " + std::to_string(found.number) + ": kind " + std::to_string(found.kind) +
             " with " + std::to_string(found.length) + " bytes";
    default:
      return "event " + std::to_string(found.last + 1) + ": cut short";
  }
}

// The last event's number and stamp, and kind and offset of each that is wanted.
nb::tuple find(const core::EventFinder& finder, nb::handle events, std::uint64_t first) {
  const core::Finding found = finder.find(Buffer(events, PyBUF_SIMPLE).bytes(), first);
  if (found.fault != core::Fault::SOUND) {
    throw nb::value_error(text_of(found).c_str());
  }
  nb::list wanted;
  for (const core::FoundEvent& event : found.events) {
    wanted.append(nb::make_tuple(event.kind, event.offset));
  }
  return nb::make_tuple(found.last, found.time_ns, wanted);
}

void bind_event_filter(nb::module_& module) {
  using core::EventFilter;
  using Numbers = std::vector<std::uint32_t>;
  nb::class_<EventFilter>(module, "EventFilter")
      .def(nb::init<>())
      .def("look_by", &EventFilter::look_by, nb::arg("kind"), nb::kw_only(), nb::arg("accounts"),
           nb::arg("sessions"))
      .def(
          "want",
          [](EventFilter& filter, const Numbers& accounts, const Numbers& sessions) {
            filter.want({accounts.begin(), accounts.end()}, {sessions.begin(), sessions.end()});
          },
          nb::kw_only(), nb::arg("accounts"), nb::arg("sessions"))
      .def(
          "find",
          [](const EventFilter& filter, nb::handle events, std::size_t offset) {
            return filter.find(Buffer(events, PyBUF_SIMPLE).bytes(), offset);
          },
          nb::arg("events"), nb::arg("offset"),
          nb::sig("def find(self, events: bytes, offset: int) -> list[int]"));
}

void bind_event_records(nb::module_& module) {
  nb::class_<core::EventFinder>(module, "EventFinder")
      .def(nb::init<>())
      .def("know", &core::EventFinder::know, nb::arg("kind"), nb::arg("length"), nb::kw_only(),
           nb::arg("is_wanted"))
      .def("find", &find, nb::arg("events"), nb::arg("first"),
           nb::sig("def find(self, events: bytes, first: int)"
                   " -> tuple[int, int, list[tuple[int, int]]]"));
  module.def(
      "find_after",
      [](nb::handle events, std::uint64_t number) {
        return border_of(core::find_after(Buffer(events, PyBUF_SIMPLE).bytes(), number)).first;
      },
      nb::arg("events"), nb::arg("number"),
      nb::sig("def find_after(events: bytes, number: int) -> int"));
  module.def(
      "find_end_of_command",
      [](nb::handle events, std::size_t size_max) {
        return border_of(
            core::find_end_of_command(Buffer(events, PyBUF_SIMPLE).bytes(), size_max));
      },
      nb::arg("events"), nb::arg("size_max"),
      nb::sig("def find_end_of_command(events: bytes | memoryview, size_max: int)"
              " -> tuple[int, int]"));
}

}  // namespace

NB_MODULE(_native, module) {
  module.doc() =
      "The native core, behind ``core.engine``, ``venue.admission`` and ``runtime.log_files``.";
  // An engine or a log that lives until the interpreter ends (a core freezes what it has made) is
  // no leak, and users are not to be told so.
  nb::set_leak_warnings(false);
  bind_admission(module);
  bind_event_filter(module);
  bind_event_records(module);
  bindings::bind_journal(module);
  bindings::bind_ledger(module);
  bindings::bind_statements(module);
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
      .def("books", [](const core::Engine& engine) { return to_bytes(engine.books()); })
      .def("open_orders",
           [](const core::Engine& engine, std::uint32_t account, std::uint64_t after,
              std::size_t limit) { return to_bytes(engine.open_orders(account, after, limit)); },
           nb::arg("account"), nb::kw_only(), nb::arg("after"), nb::arg("limit"))
      .def("balances", &core::Engine::balances)
      .def("receivables", &core::Engine::receivables)
      .def("rfq_holds", &core::Engine::rfq_holds)
      .def("assets", &core::Engine::assets);
}
