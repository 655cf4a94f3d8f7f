#include "core/decisions.hpp"

namespace core {

namespace {

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

bool refuses_rare_terms(const commands::PlaceOrder& order, const InstrumentLimits& limits,
                        std::int64_t now_ns, Refused& refused) noexcept {
  return refuses_display(order, limits, refused) || refuses_minimum(order, refused) ||
         refuses_stop(order, limits, refused) || refuses_expiry(order, now_ns, refused);
}

}  // namespace core
