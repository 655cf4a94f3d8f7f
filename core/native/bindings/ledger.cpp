// Rows of the ledger in Python.
#include <nanobind/nanobind.h>

#include <cstdint>
#include <optional>
#include <string>

#include "bindings.hpp"
#include "core/ledger/proof.hpp"
#include "core/ledger/rows.hpp"

namespace bindings {

namespace {

using core::ledger::EntryProof;
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

nb::tuple close_marks(Rows& rows) {
  core::ledger::Marks& marks = rows.marks();
  marks.close();
  nb::list places;
  for (const core::ledger::Mark& mark : marks.marks()) {
    places.append(nb::make_tuple(mark.event_number, mark.time_ns));
  }
  nb::tuple told = nb::make_tuple(places, text_bytes(marks.rows()));
  marks.clear();
  return told;
}

nb::object prove(EntryProof& proof, nb::handle rows) {
  const Buffer input(rows, PyBUF_SIMPLE);
  std::optional<core::ledger::Imbalance> broken;
  {
    const nb::gil_scoped_release release;
    broken = proof.read(input.bytes());
  }
  if (!broken) {
    return nb::none();
  }
  return nb::make_tuple(broken->event_number, broken->asset, broken->total_atoms);
}

nb::list moved(const EntryProof& proof) {
  nb::list told;
  for (const auto& [key, sum] : proof.moved()) {
    told.append(nb::make_tuple(key.kind, key.account, key.asset, sum.atoms, sum.entries));
  }
  return told;
}

}  // namespace

void bind_ledger(nb::module_& module) {
  using core::ledger::KindRule;
  using core::ledger::Treatment;
  nb::class_<Rows>(module, "LedgerRows")
      .def(
          "__init__",
          [](Rows* rows, std::int64_t place_events, std::int64_t whole_events,
             std::int64_t busy_entries) {
            if (place_events < 1 || whole_events < place_events ||
                whole_events % place_events != 0) {
              throw nb::value_error("whole_events is a multiple of place_events");
            }
            new (rows) Rows({place_events, whole_events, busy_entries});
          },
          nb::kw_only(), nb::arg("place_events"), nb::arg("whole_events"),
          nb::arg("busy_entries"))
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
      .def("entries", [](const Rows& rows) { return text_bytes(rows.entries()); })
      .def(
          "know_balance",
          [](Rows& rows, std::int16_t kind, std::int64_t account, std::int64_t asset,
             std::int64_t balance_atoms) {
            rows.marks().know_balance({kind, account, asset}, balance_atoms);
          },
          nb::arg("kind"), nb::arg("account"), nb::arg("asset"), nb::arg("balance_atoms"))
      .def(
          "move",
          [](Rows& rows, std::int64_t event_number, std::int64_t time_ns, std::int16_t kind,
             std::int64_t account, std::int64_t asset, std::int64_t amount_atoms,
             std::int64_t entries) {
            rows.marks().move(event_number, time_ns, {kind, account, asset}, amount_atoms,
                              entries);
          },
          nb::arg("event_number"), nb::arg("time_ns"), nb::arg("kind"), nb::arg("account"),
          nb::arg("asset"), nb::arg("amount_atoms"), nb::arg("entries") = 1)
      .def("close_marks", &close_marks,
           nb::sig("def close_marks(self) -> tuple[list[tuple[int, int]], bytes]"))
      .def("trades", [](const Rows& rows) { return text_bytes(rows.trades()); })
      .def_prop_ro("trade_count", &Rows::trade_count)
      .def("clear", &Rows::clear);
  nb::class_<EntryProof>(module, "EntryProof")
      .def(nb::init<>())
      .def("read", &prove, nb::arg("rows"),
           nb::sig("def read(self, rows: bytes) -> tuple[int, int, int] | None"))
      .def("moved", &moved,
           nb::sig("def moved(self) -> list[tuple[int, int, int, int, int]]"));
}

}  // namespace bindings
