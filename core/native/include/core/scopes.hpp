// Requests about many orders: whose they are, and which they reach. A request's scope is its
// session, its account, or (FIRM) all accounts that its session may trade for.
#pragma once

#include <type_traits>
#include <vector>

#include "core/handlers.hpp"

namespace core {

// Call `use(account)` for each account that a session may trade for.
template <class Use>
void each_tradable(Venue& venue, const Session& session, Use use) {
  for (const Right& right : session.rights) {
    if ((right.rights & RIGHT_TRADE) != 0) {
      use(venue.accounts[venue.find_account(right.account)]);
    }
  }
}

// Whether a request may not reach its scope, or an id of its own is malformed or not new.
template <class Command>
[[nodiscard]] bool refuses_scope(Venue& venue, const Command& command, std::uint32_t account,
                                 Session*& session, Refused& refused) {
  if (refuses_session(venue, command, account, session, refused)) {
    return true;
  }
  if (command.scope != scope::SESSION && command.scope != scope::ACCOUNT &&
      command.scope != scope::FIRM) {
    return refused.because(code::SCOPE_INVALID, 0, command.scope);
  }
  if (command.side > side::SELL) {
    return refused.because(code::FIELD_INVALID, side::SELL, command.side);
  }
  if (command.instrument != 0 && venue.find_instrument(command.instrument) == nullptr) {
    return refused.because(code::INSTRUMENT_UNKNOWN);
  }
  if constexpr (std::is_same_v<Command, commands::QueryOrders>) {
    return false;
  } else {
    const std::uint32_t hash = venue.client_ids.hash(command.account, command.client_order_id);
    return refuses_request_id(venue, account, hash, command.client_order_id, false, refused);
  }
}

// The open orders that a request about many reaches, in no order.
template <class Command>
[[nodiscard]] std::vector<std::uint32_t> orders_in_scope(Venue& venue, const Command& command,
                                                         const Account& asker,
                                                         const Session& session) {
  std::vector<std::uint32_t> found;
  const auto choose = [&](const Account& account) {
    each_open_order(account, [&](std::uint32_t index) {
      const HotOrder& order = venue.orders.hot(index);
      const bool is_in =
          (command.scope != scope::SESSION ||
           venue.orders.cold(index).session == session.number) &&
          (command.instrument == 0 ||
           command.instrument == venue.instruments[order.instrument]->number) &&
          (command.side == 0 || command.side == order.side);
      if (is_in) {
        found.push_back(index);
      }
    });
  };
  if (command.scope == scope::ACCOUNT) {
    choose(asker);
  } else {
    each_tradable(venue, session, choose);
  }
  return found;
}

// Remember the id of a request about many orders, if it has one and there is room.
template <class Command>
void remember_request(Venue& venue, const Command& command, std::uint32_t account) {
  Refused refused;
  if (command.client_order_id != NO_CLIENT_ID &&
      !refuses_id_room(venue, venue.accounts[account], refused)) {
    const std::uint32_t hash = venue.client_ids.hash(command.account, command.client_order_id);
    remember_mass_cancel(venue, account, hash, command.client_order_id, venue.last_time_ns);
  }
}

}  // namespace core
