// The reading behind the venue's statements in Python.
#include <nanobind/nanobind.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "bindings.hpp"
#include "core/statements/standing.hpp"

namespace bindings {

namespace {

using core::Wide;
using core::statements::Account;
using core::statements::Fence;
using core::statements::Order;
using core::statements::Reading;
using core::statements::Standing;

// A number of 128 bits, which Python has no constructor for.
nb::object number(Wide value) {
  const nb::int_ high(static_cast<std::int64_t>(value >> 64));
  return (high << nb::int_(64)) + nb::int_(static_cast<std::uint64_t>(value));
}

nb::object hash_of(const Order& order) {
  return order.is_hashed != 0 ? nb::object(nb::int_(order.hash)) : nb::none();
}

nb::tuple fields(const Order& order) {
  const auto& name = order.client_order_id;
  const auto size = static_cast<std::size_t>(
      name.rend() - std::find_if(name.rbegin(), name.rend(), [](char c) { return c != '\0'; }));
  return nb::make_tuple(order.order_id, order.session, order.instrument, order.side,
                        order.time_in_force, order.price_ticks, order.quantity_lots,
                        order.filled_lots, order.filled_value, order.leaves_lots, order.held_atoms,
                        nb::bytes(name.data(), size), hash_of(order));
}

nb::tuple fields(const Fence& fence) {
  const auto& event = fence.event;
  nb::list orders;
  for (const auto& gone : fence.orders) {
    orders.append(nb::make_tuple(fields(gone.order), gone.account, gone.event));
  }
  const std::uint64_t number = event.number;
  const std::int64_t time_ns = event.time_ns;
  const std::uint32_t session = event.session;
  const std::uint32_t connection = event.connection;
  const std::uint8_t mode = event.cancel_on_disconnect;
  const std::uint32_t epoch = event.epoch;
  const std::uint64_t last_sequence = event.last_source_sequence;
  const std::int64_t grace_until_ns = event.grace_until_ns;
  return nb::make_tuple(number, time_ns, session, connection, mode, epoch, last_sequence,
                        grace_until_ns, orders);
}

nb::tuple read(Standing& standing, nb::handle batch, std::uint64_t through) {
  const Buffer input(batch, PyBUF_SIMPLE);
  const Reading reading = standing.read(input.bytes(), through);
  if (reading.is_damaged) {
    const std::string what = "no event at byte " + std::to_string(reading.offset);
    throw nb::value_error(what.c_str());
  }
  nb::list fences;
  for (const Fence& fence : reading.fences) {
    fences.append(fields(fence));
  }
  return nb::make_tuple(reading.offset, fences);
}

const Account& account_of(const Standing& standing, std::uint32_t number) {
  static const Account nothing;
  const Account* found = standing.account(number);
  return found == nullptr ? nothing : *found;
}

nb::list orders(const Standing& standing, std::uint32_t number) {
  nb::list found;
  for (const auto& [id, order] : account_of(standing, number).orders) {
    found.append(fields(order));
  }
  return found;
}

nb::list unhashed(const Standing& standing, std::uint32_t number) {
  nb::list found;
  for (const auto& [id, order] : account_of(standing, number).orders) {
    if (order.is_hashed == 0) {
      found.append(id);
    }
  }
  return found;
}

nb::object order(const Standing& standing, std::uint32_t number, std::uint64_t order_id) {
  const auto& orders = account_of(standing, number).orders;
  const auto found = orders.find(order_id);
  return found == orders.end() ? nb::none() : nb::object(fields(found->second));
}

nb::tuple account(const Standing& standing, std::uint32_t account_number) {
  const Account& found = account_of(standing, account_number);
  std::uint64_t orders_sum = 0;
  for (const auto& [id, order] : found.orders) {
    orders_sum += order.is_hashed != 0 ? order.hash : 0;
  }
  nb::list traded;
  for (const auto& [instrument, each] : found.traded) {
    traded.append(nb::make_tuple(instrument, each.executions, each.bought_lots,
                                 number(each.bought_value), each.sold_lots,
                                 number(each.sold_value)));
  }
  nb::list money;
  for (const auto& [asset, each] : found.money) {
    money.append(nb::make_tuple(asset, each.balance_atoms, each.held_atoms));
  }
  return nb::make_tuple(found.orders.size(), orders_sum, found.executions, found.executions_sum,
                        traded, money);
}

}  // namespace

void bind_statements(nb::module_& module) {
  nb::class_<Standing>(module, "Standing")
      .def(nb::init<>())
      .def("read", &read, nb::arg("batch"), nb::arg("through"),
           nb::sig("def read(self, batch: bytes, through: int)"
                   " -> tuple[int, list[tuple[Any, ...]]]"))
      .def_prop_ro("accounts",
                   [](const Standing& standing) {
                     nb::list found;
                     for (const auto& [number, each] : standing.accounts()) {
                       found.append(number);
                     }
                     return found;
                   })
      .def("account", &account, nb::arg("number"))
      .def("orders", &orders, nb::arg("account"))
      .def("unhashed", &unhashed, nb::arg("account"))
      .def("order", &order, nb::arg("account"), nb::arg("order_id"))
      .def("keep_hash", &Standing::keep_hash, nb::arg("account"), nb::arg("order_id"),
           nb::arg("value"))
      .def("image", [](const Standing& standing) { return to_bytes(standing.image()); })
      .def(
          "restore",
          [](Standing& standing, nb::handle image) {
            return standing.restore(Buffer(image, PyBUF_SIMPLE).bytes());
          },
          nb::arg("image"), nb::sig("def restore(self, image: bytes) -> bool"));
}

}  // namespace bindings
