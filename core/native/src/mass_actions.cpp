// MassAction and QueryOrders: what a client does to, or asks of, a scope of its own.
#include <algorithm>

#include "core/order_events.hpp"
#include "core/scopes.hpp"
#include "core/suspensions.hpp"

namespace core {

namespace {

std::vector<SuspensionTarget> targets_of(Venue& venue, const commands::MassAction& command,
                                         const Session& session) {
  if (command.scope == scope::SESSION) {
    return {{scope::SESSION, command.session}};
  }
  if (command.scope == scope::ACCOUNT) {
    return {{scope::ACCOUNT, command.account}};
  }
  std::vector<SuspensionTarget> targets;
  each_tradable(venue, session, [&targets](const Account& account) {
    targets.emplace_back(scope::ACCOUNT, account.number);
  });
  return targets;
}

bool refuses_mass_action(Venue& venue, const commands::MassAction& command, std::uint32_t account,
                         Session*& session, Refused& refused) {
  if (command.action < mass_action::SUSPEND || command.action > mass_action::CANCEL) {
    return refused.because(code::FIELD_INVALID, mass_action::CANCEL, command.action);
  }
  return refuses_scope(venue, command, account, session, refused) ||
         (command.action == mass_action::SUSPEND &&
          refuses_suspensions(venue, targets_of(venue, command, *session), command.instrument,
                              command.side, refused));
}

template <class Event>
Event& emit_action(Venue& venue, const commands::MassAction& command, std::uint32_t affected) {
  auto& event = venue.events.emit_zeroed<Event>();
  event.account = command.account;
  event.session = command.session;
  event.connection = command.connection;
  event.instrument = command.instrument;
  event.action = command.action;
  event.scope = command.scope;
  event.side = command.side;
  event.affected = affected;
  event.client_order_id = command.client_order_id;
  return event;
}

std::uint32_t act_on(Venue& venue, const commands::MassAction& command, std::uint32_t account,
                     const Session& session) {
  if (command.action == mass_action::CANCEL) {
    return cancel_all(venue, orders_in_scope(venue, command, venue.accounts[account], session),
                      cancel_reason::MASS_CANCEL,
                      {command.session, command.connection, command.client_order_id});
  }
  const auto change = command.action == mass_action::SUSPEND ? put_suspensions : lift_suspensions;
  return change(venue, targets_of(venue, command, session), command.instrument, command.side);
}

}  // namespace

void do_mass_action(Venue& venue, const commands::MassAction& command) {
  const std::uint32_t account = venue.find_account(command.account);
  Refused refused;
  Session* session = nullptr;
  if (refuses_mass_action(venue, command, account, session, refused)) {
    reject_mass_action(venue, command, refused);
    return;
  }
  remember_request(venue, command, account);
  emit_action<events::MassActionAccepted>(venue, command, 0);
  const std::uint32_t affected = act_on(venue, command, account, *session);
  emit_action<events::MassActionCompleted>(venue, command, affected);
}

void reject_mass_action(Venue& venue, const commands::MassAction& command,
                        const Refused& refused) {
  auto& event = emit_action<events::MassActionRejected>(venue, command, 0);
  event.code = refused.code;
  event.limit = refused.limit;
  event.usage = refused.usage;
}

void query_orders(Venue& venue, const commands::QueryOrders& command) {
  const std::uint32_t account = venue.find_account(command.account);
  Refused refused;
  Session* session = nullptr;
  if (refuses_scope(venue, command, account, session, refused)) {
    reject_orders_query(venue, command, refused);
    return;
  }
  std::vector<std::pair<std::uint64_t, std::uint32_t>> orders;
  for (const std::uint32_t index :
       orders_in_scope(venue, command, venue.accounts[account], *session)) {
    const std::uint64_t order_id = venue.orders.hot(index).order_id;
    if (order_id > command.after_order_id) {
      orders.emplace_back(order_id, index);
    }
  }
  if (orders.empty()) {
    refused.because(code::ORDER_UNKNOWN);
    reject_orders_query(venue, command, refused);
    return;
  }
  const auto total = static_cast<std::uint32_t>(orders.size());
  const std::uint32_t count = std::min(total, ORDERS_PER_QUERY_MAX);
  // Only what is listed is put in order: of half a million orders the others are just counted.
  std::partial_sort(orders.begin(), orders.begin() + count, orders.end());
  for (std::uint32_t place = 0; place < count; ++place) {
    auto& event = emit_order<events::OrderListed>(venue, orders[place].second);
    event.origin_session = command.session;
    event.origin_connection = command.connection;
    event.place = place + 1;
    event.count = count;
    event.remaining = total - count;
    event.spare_1 = 0;
    event.request_id = command.request_id;
  }
}

void reject_orders_query(Venue& venue, const commands::QueryOrders& command,
                         const Refused& refused) {
  auto& event = venue.events.emit_zeroed<events::OrdersQueryRejected>();
  event.account = command.account;
  event.session = command.session;
  event.connection = command.connection;
  event.instrument = command.instrument;
  event.scope = command.scope;
  event.side = command.side;
  event.code = refused.code;
  event.limit = refused.limit;
  event.usage = refused.usage;
  event.request_id = command.request_id;
}

}  // namespace core
