// Rows of the ledger in Python.
#include <nanobind/nanobind.h>

#include <cstdint>
#include <string>

#include "bindings.hpp"
#include "core/ledger/rows.hpp"

namespace bindings {

namespace {

using core::ledger::Reading;
using core::ledger::Rows;

nb::bytes text_bytes(const std::string& text) { return nb::bytes(text.data(), text.size()); }

nb::object read(Rows& rows, nb::handle frame, std::uint64_t first, std::uint64_t last) {
  const Buffer input(frame, PyBUF_SIMPLE);
  Reading reading;
  {
    const nb::gil_scoped_release release;
    reading = rows.read(input.bytes(), first, last);
  }
  if (!reading.is_whole) {
    return nb::none();
  }
  nb::list left;
  for (const std::size_t offset : reading.left) {
    left.append(offset);
  }
  return nb::make_tuple(reading.time_ns, left);
}

nb::list intervals(const Rows& rows) {
  nb::list found;
  for (const auto& each : rows.intervals()) {
    found.append(
        nb::make_tuple(each.place, each.last_event, each.time_ns, text_bytes(each.entries)));
  }
  return found;
}

}  // namespace

void bind_ledger(nb::module_& module) {
  using core::ledger::KindRule;
  using core::ledger::Treatment;
  nb::class_<Rows>(module, "LedgerRows")
      .def(nb::init<std::int64_t>(), nb::arg("interval"))
      .def(
          "know_kind",
          [](Rows& rows, std::uint16_t kind, std::uint16_t length, bool is_left) {
            rows.know_kind(
                kind, {length, is_left ? Treatment::LEFT_TO_CALLER : Treatment::IGNORED});
          },
          nb::arg("kind"), nb::arg("length"), nb::kw_only(), nb::arg("is_left"))
      .def("know_market", &Rows::know_market, nb::arg("instrument"), nb::arg("base"),
           nb::arg("quote"))
      .def("read", &read, nb::arg("frame"), nb::arg("first"), nb::arg("last"),
           nb::sig("def read(self, frame: bytes, first: int, last: int)"
                   " -> tuple[int, list[int]] | None"))
      .def("intervals", &intervals,
           nb::sig("def intervals(self) -> list[tuple[int, int, int, bytes]]"))
      .def("trades", [](const Rows& rows) { return text_bytes(rows.trades()); })
      .def_prop_ro("trade_count", &Rows::trade_count)
      .def("clear", &Rows::clear);
}

}  // namespace bindings
