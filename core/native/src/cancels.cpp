// Cancels, mass cancels, queries and recorded refusals: allowed in every phase and under kill.
#include <algorithm>

#include "core/order_events.hpp"
#include "core/scopes.hpp"

namespace core {

namespace {

// Whether a cancel's own id can be remembered; a cancel is never refused for it.
bool has_room_for_id(const Venue& venue, std::uint32_t account) {
  Refused refused;
  return !refuses_id_room(venue, venue.accounts[account], refused);
}

}  // namespace

void cancel(Venue& venue, const commands::CancelOrder& command, std::uint32_t hash) {
  Refused refused;
  std::uint32_t index = 0;
  const Admission* asker = admit(venue, command, refused);
  bool is_refused = asker == nullptr;
  if (!is_refused) [[likely]] {
    index = find_order(venue, asker->account, command.order_id,
                       command.original_client_order_id);
    is_refused = refuses_target(venue, command, index, refused) ||
                 refuses_request_id(venue, asker->account, hash, command.client_order_id, false,
                                    refused);
  }
  if (is_refused) [[unlikely]] {
    reject_request<events::CancelRejected>(venue, command, refused, index,
                                           command.client_order_id,
                                           command.original_client_order_id);
    return;
  }
  if (command.client_order_id != NO_CLIENT_ID && !venue.orders.hot(index).is_quoted() &&
      has_room_for_id(venue, asker->account)) {
    attach_id(venue, index, hash, command.client_order_id);
  }
  leave_queue(venue, index);
  close_order(venue, index, status::CANCELLED, cancel_reason::REQUESTED);
  auto& event = emit_order<events::OrderCancelled>(venue, index);
  event.origin_session = command.session;
  event.origin_connection = command.connection;
  event.request_client_order_id = command.client_order_id;
  fill_prevented(event, NOTHING_PREVENTED);
}

void reject_mass_cancel(Venue& venue, const commands::MassCancel& command,
                        const Refused& refused) {
  auto& event = venue.events.emit_zeroed<events::MassCancelRejected>();
  event.account = command.account;
  event.session = command.session;
  event.connection = command.connection;
  event.instrument = command.instrument;
  event.scope = command.scope;
  event.side = command.side;
  event.code = refused.code;
  event.limit = refused.limit;
  event.usage = refused.usage;
  event.client_order_id = command.client_order_id;
}

void mass_cancel(Venue& venue, const commands::MassCancel& command) {
  const std::uint32_t account = venue.find_account(command.account);
  Refused refused;
  Session* session = nullptr;
  if (refuses_scope(venue, command, account, session, refused)) {
    reject_mass_cancel(venue, command, refused);
    return;
  }
  remember_request(venue, command, account);
  const Origin origin{command.session, command.connection, command.client_order_id};
  const std::uint32_t cancelled =
      cancel_all(venue, orders_in_scope(venue, command, venue.accounts[account], *session),
                 cancel_reason::MASS_CANCEL, origin);
  auto& event = venue.events.emit_zeroed<events::MassCancelled>();
  event.account = command.account;
  event.session = command.session;
  event.connection = command.connection;
  event.instrument = command.instrument;
  event.scope = command.scope;
  event.side = command.side;
  event.cancelled = cancelled;
  event.client_order_id = command.client_order_id;
}

std::uint32_t cancel_all(Venue& venue, std::vector<std::uint32_t> orders, std::uint8_t reason,
                         const Origin& origin) {
  std::sort(orders.begin(), orders.end(), [&venue](std::uint32_t left, std::uint32_t right) {
    return venue.orders.hot(left).order_id < venue.orders.hot(right).order_id;
  });
  for (const std::uint32_t index : orders) {
    cancel_order(venue, index, reason, origin);
  }
  return static_cast<std::uint32_t>(orders.size());
}

void query_order(Venue& venue, const commands::QueryOrder& command) {
  const std::uint32_t account = venue.find_account(command.account);
  Refused refused;
  Session* session = nullptr;
  std::uint32_t index = 0;
  bool is_refused = refuses_session(venue, command, account, session, refused);
  if (!is_refused) {
    index = find_order(venue, account, command.order_id, command.client_order_id);
    is_refused = refuses_target(venue, command, index, refused) &&
                 refused.code != code::ORDER_ALREADY_DONE;
  }
  if (is_refused) {
    reject_request<events::QueryRejected>(venue, command, refused, index,
                                          command.client_order_id, command.request_id);
    return;
  }
  auto& event = emit_order<events::OrderReported>(venue, index);
  event.origin_session = command.session;
  event.origin_connection = command.connection;
  event.request_id = command.request_id;
}

void record_refusal(Venue& venue, const commands::RecordRefusal& command) {
  auto& event = venue.events.emit_zeroed<events::RefusalRecorded>();
  event.account = command.account;
  event.session = command.session;
  event.connection = command.connection;
  event.instrument = command.instrument;
  event.refused_kind = command.refused_kind;
  event.code = command.code;
  event.side = command.side;
  event.order_type = command.order_type;
  event.time_in_force = command.time_in_force;
  event.order_id = command.order_id;
  event.client_order_id = command.client_order_id;
  event.original_client_order_id = command.original_client_order_id;
  event.text = command.text;
}

}  // namespace core
