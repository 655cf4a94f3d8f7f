// CheckOrder: what would become of an order, decided as PlaceOrder decides, changing nothing.
#include <cstring>

#include "core/entry.hpp"

namespace core {

namespace {

static_assert(sizeof(commands::CheckOrder) == sizeof(commands::PlaceOrder) &&
              offsetof(commands::CheckOrder, client_order_id) ==
                  offsetof(commands::PlaceOrder, client_order_id));

const commands::PlaceOrder& as_order(const commands::CheckOrder& command) noexcept {
  return reinterpret_cast<const commands::PlaceOrder&>(command);
}

events::OrderChecked& emit_checked(Venue& venue, const commands::CheckOrder& command) {
  auto& event = venue.events.emit_zeroed<events::OrderChecked>();
  event.account = command.account;
  event.session = command.session;
  event.connection = command.connection;
  event.instrument = command.instrument;
  event.side = command.side;
  event.order_type = command.order_type;
  event.time_in_force = command.time_in_force;
  event.order_flags = static_cast<std::uint8_t>(command.order_flags & 0xFF);
  event.client_order_id = command.client_order_id;
  return event;
}

// The last price that the collar allows such an order; 0 where nothing is compared.
std::int64_t collar_of(const commands::CheckOrder& command, const Instrument& instrument) {
  const std::int64_t reference_ticks =
      command.order_type == order_type::LIMIT        ? instrument.reference_ticks
      : command.order_type == order_type::STOP_LIMIT ? command.stop_price_ticks
                                                     : 0;
  const std::uint32_t collar_ppm = instrument.limits.collar_ppm;
  return collar_ppm == 0 || reference_ticks == 0
             ? 0
             : collar_price(command.side, reference_ticks, collar_ppm);
}

// The throttle's burst, and the messages of it in use with this one; nothing where there is none.
void tell_messages(events::OrderChecked& event, const Venue& venue, const Account& account) {
  const std::int64_t interval_ns = account.message_interval_ns;
  if (account.message_burst == 0 || interval_ns == 0) {
    return;
  }
  const std::int64_t ahead_ns = account.next_free_ns - venue.last_time_ns;
  const std::int64_t pending = ahead_ns > 0 ? (ahead_ns - 1) / interval_ns + 1 : 0;
  event.message_burst = account.message_burst;
  event.messages = static_cast<std::uint32_t>(pending + 1);
}

}  // namespace

void check_order(Venue& venue, const commands::CheckOrder& command) {
  Refused refused;
  NewOrder decided;
  if (refuses_dry_run(venue, as_order(command), decided, refused)) {
    refuse_check(venue, command, refused);
    return;
  }
  const Admission& asker = *decided.asker;
  const Instrument& instrument = *asker.instrument;
  const Account& account = venue.accounts[asker.account];
  const Balance& base = venue.balances[asker.base];
  const bool is_buy = command.side == side::BUY;
  auto& event = emit_checked(venue, command);
  event.price_ticks = decided.price_ticks;
  event.quantity_lots = decided.quantity_lots;
  event.available_atoms = (is_buy ? venue.balances[asker.quote] : base).available_atoms();
  event.needed_atoms = decided.held_atoms;
  if (is_buy) {
    event.position_max_atoms = base.position_max_atoms;
    event.position_atoms = base.balance_atoms + base.buying_atoms +
                           decided.quantity_lots * instrument.lot_atoms;
  }
  event.notional_min_atoms = instrument.limits.notional_min_atoms;
  event.notional_max_atoms = instrument.limits.notional_max_atoms;
  event.notional_atoms = decided.notional_atoms;
  event.collar_ticks = collar_of(command, instrument);
  event.open_orders_max = account.open_orders_max;
  event.open_orders = static_cast<std::uint32_t>(account.orders.size()) + 1;
  event.book_orders_max = instrument.limits.orders_max;
  event.book_orders = instrument.open_orders + 1;
  tell_messages(event, venue, account);
}

void refuse_check(Venue& venue, const commands::CheckOrder& command, const Refused& refused) {
  auto& event = emit_checked(venue, command);
  event.code = refused.code;
  event.price_ticks = command.price_ticks;
  event.quantity_lots = command.quantity_lots;
  event.limit = refused.limit;
  event.usage = refused.usage;
}

}  // namespace core
