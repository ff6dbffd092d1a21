#include "traces/lifetimes.h"

#include <boost/math/special_functions/gamma.hpp>
#include <cmath>

#include "sim/base/check.h"

namespace bethany {

double Lognormal::mean_s() const { return median_s * std::exp(sigma * sigma / 2); }

double Lognormal::draw(Rng& rng) const { return median_s * std::exp(sigma * rng.normal()); }

namespace {

Lognormal read_lognormal_with(ObjectReader& object, std::optional<Duration> median,
                              std::optional<Duration> mean) {
  Lognormal result;
  result.median_s = to_seconds(object.duration("median", median));
  const bool has_mean = object.raw("mean") != nullptr;
  if (object.raw("sigma") != nullptr) {
    if (has_mean) object.fail("sigma", "give either the mean or sigma");
    result.sigma = object.real("sigma", 0, 10);
    return result;
  }
  if (!has_mean && (!mean || object.has("median"))) {
    result.sigma = object.real("sigma", 0, 10, 0.0);
    return result;
  }
  const double mean_s = to_seconds(object.duration("mean", mean));
  if (mean_s < result.median_s) object.fail("mean", "a lognormal mean is not below its median");
  if (result.median_s == 0) {
    if (mean_s > 0) object.fail("median", "0 leaves no spread for a mean above 0");
    return result;
  }
  result.sigma = std::sqrt(2 * std::log(mean_s / result.median_s));
  return result;
}

}  // namespace

Lognormal read_lognormal(ObjectReader& object) { return read_lognormal_with(object, {}, {}); }

Lognormal read_lognormal(ObjectReader& object, Duration median, Duration mean) {
  return read_lognormal_with(object, median, mean);
}

/// Of Weibull the scale, of lognormal the median.
double TimeToFailure::scale() const {
  if (kind == Kind::weibull) return mean_s / std::tgamma(1 + 1 / shape);
  if (kind == Kind::lognormal) return mean_s * std::exp(-shape * shape / 2);
  return mean_s;
}

double TimeToFailure::draw(Rng& rng) const {
  switch (kind) {
    case Kind::weibull:
      return scale() * std::pow(rng.exponential(1), 1 / shape);
    case Kind::lognormal:
      return scale() * std::exp(shape * rng.normal());
    case Kind::exponential:
      break;
  }
  return rng.exponential(mean_s);
}

/// An instant falls into an interval with a chance that grows with its length, and uniformly into
/// it. Lengths weighted so: (T / scale)^k of Weibull is gamma distributed, the logarithm of a
/// lognormal T is shifted by sigma^2.
double TimeToFailure::draw_steady(Rng& rng) const {
  const double place = rng.unit();
  switch (kind) {
    case Kind::weibull: {
      using Plain = boost::math::policies::policy<boost::math::policies::promote_double<false>>;
      const double power = boost::math::gamma_p_inv(1 + 1 / shape, rng.unit(), Plain());
      return place * scale() * std::pow(power, 1 / shape);
    }
    case Kind::lognormal:
      return place * scale() * std::exp(shape * shape + shape * rng.normal());
    case Kind::exponential:
      break;
  }
  return rng.exponential(mean_s);
}

double TimeToFailure::draw_aged(Rng& rng, double age_s) const {
  BETHANY_CHECK(kind != Kind::lognormal, "no aged lognormal node");
  if (kind == Kind::exponential) return rng.exponential(mean_s);
  const double hazard = std::pow(age_s / scale(), shape) + rng.exponential(1);
  return std::max(0.0, scale() * std::pow(hazard, 1 / shape) - age_s);
}

TimeToFailure read_time_to_failure(ObjectReader& options) {
  TimeToFailure result;
  result.mean_s = to_seconds(options.duration("mtbf", {}, Duration(1)));
  const auto name =
      options.choice("distribution", {"exponential", "weibull", "lognormal"}, "exponential");
  if (name == "weibull") {
    result.kind = TimeToFailure::Kind::weibull;
    result.shape = options.real("shape", 0.2, 20, 0.7);
  } else if (name == "lognormal") {
    result.kind = TimeToFailure::Kind::lognormal;
    result.shape = options.real("shape", 0.01, 5, 1.0);
  } else if (options.has("shape")) {
    options.fail("shape", "an exponential distribution has none");
  }
  return result;
}

}  // namespace bethany
