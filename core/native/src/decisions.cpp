#include "core/decisions.hpp"

namespace core {

namespace {

// Whether an order may not come to an amount of quote instead of having a quantity.
bool refuses_cash_terms(const commands::PlaceOrder& order, Refused& refused) noexcept {
  if ((order.order_flags & CASH_QUANTITY) == 0 || !is_amount(order.cash_atoms)) {
    return refused.because(code::CASH_QUANTITY_INVALID, AMOUNT_LIMIT - 1, order.cash_atoms);
  }
  return (order.order_type != order_type::MARKET ||
          order.time_in_force == time_in_force::FILL_OR_KILL || order.quantity_lots != 0 ||
          order.minimum_lots != 0 || order.display_lots != 0) &&
         refused.because(code::CASH_QUANTITY_NOT_ALLOWED);
}

bool refuses_display(const commands::PlaceOrder& order, const InstrumentLimits& limits,
                     Refused& refused) noexcept {
  const std::int64_t display_lots = order.display_lots;
  if (display_lots == 0 || display_lots == order.quantity_lots) {
    return false;
  }
  if (!is_priced(order.order_type) || never_rests(order.time_in_force)) {
    return refused.because(code::DISPLAY_QUANTITY_INVALID, 0, display_lots);
  }
  return refuses_display_range(display_lots, order.quantity_lots, limits, refused);
}

bool refuses_minimum(const commands::PlaceOrder& order, Refused& refused) noexcept {
  const std::int64_t minimum_lots = order.minimum_lots;
  if (minimum_lots == 0) {
    return false;
  }
  if (order.time_in_force != time_in_force::IMMEDIATE_OR_CANCEL) {
    return refused.because(code::MINIMUM_QUANTITY_INVALID, 0, minimum_lots);
  }
  if (minimum_lots < 1 || minimum_lots > order.quantity_lots) {
    return refused.because(code::MINIMUM_QUANTITY_INVALID, order.quantity_lots, minimum_lots);
  }
  return false;
}

bool refuses_stop(const commands::PlaceOrder& order, const InstrumentLimits& limits,
                  Refused& refused) noexcept {
  if (order.order_type < order_type::STOP) {
    return order.stop_price_ticks != 0 &&
           refused.because(code::STOP_PRICE_INVALID, 0, order.stop_price_ticks);
  }
  return refuses_stop_range(order.stop_price_ticks, limits, refused);
}

bool refuses_expiry(const commands::PlaceOrder& order, std::int64_t now_ns,
                    Refused& refused) noexcept {
  if (order.time_in_force == time_in_force::GOOD_TILL_DATE) {
    return order.expire_at_ns <= now_ns &&
           refused.because(code::EXPIRY_INVALID, now_ns, order.expire_at_ns);
  }
  return order.expire_at_ns != 0 && refused.because(code::EXPIRY_INVALID, 0, order.expire_at_ns);
}

}  // namespace

bool refuses_any_terms(const commands::PlaceOrder& order, const InstrumentLimits& limits,
                       std::int64_t now_ns, Refused& refused) noexcept {
  const std::uint8_t type = order.order_type;
  const std::uint8_t time = order.time_in_force;
  constexpr std::uint32_t KNOWN_FLAGS = POST_ONLY | CASH_QUANTITY;
  const auto is_outside = [](std::uint8_t value, std::uint8_t last) {
    return static_cast<std::uint8_t>(value - 1) >= last;
  };
  if (is_outside(order.side, side::SELL) || is_outside(type, order_type::STOP_LIMIT) ||
      is_outside(time, time_in_force::GOOD_TILL_DATE) ||
      order.self_trade_prevention > self_trade::DECREMENT_AND_CANCEL ||
      (order.order_flags & ~KNOWN_FLAGS) != 0) {
    return refused.because(code::FIELD_INVALID);
  }
  const bool is_cash = (order.order_flags & CASH_QUANTITY) != 0;
  if ((is_cash || order.cash_atoms != 0) && refuses_cash_terms(order, refused)) {
    return true;
  }
  if ((order.order_flags & POST_ONLY) != 0 && (type != order_type::LIMIT || never_rests(time))) {
    return refused.because(code::FIELD_INVALID);
  }
  if (order.valid_until_ns != 0 && now_ns > order.valid_until_ns) {
    return refused.because(code::EXPIRY_INVALID, order.valid_until_ns, now_ns);
  }
  if (!is_priced(type)) {
    if (order.price_ticks != 0) {
      return refused.because(code::PRICE_NOT_ALLOWED, 0, order.price_ticks);
    }
  } else if (order.price_ticks == 0) {
    return refused.because(code::PRICE_REQUIRED);
  } else if (refuses_price_range(order.price_ticks, limits, refused)) {
    return true;
  }
  return (!is_cash && refuses_quantity(order.quantity_lots, limits, refused)) ||
         refuses_display(order, limits, refused) || refuses_minimum(order, refused) ||
         refuses_stop(order, limits, refused) || refuses_expiry(order, now_ns, refused);
}

}  // namespace core
