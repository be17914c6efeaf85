#include "exact_math.h"

#include <cmath>

namespace decant {
namespace {

constexpr double kLn2 = 0x1.62e42fefa39efp-1;

// 1 - x^2 / (first * (first + 1)) * (1 - x^2 / ((first + 2) * (first + 3)) * ...), ten factors.
double AlternatingSeries(double x, int first) {
  double sum = 1;
  for (int i = first + 18; i >= first; i -= 2) sum = 1 - x * x * sum / (i * (i + 1));
  return sum;
}

}  // namespace

double ExactExp(double x) {
  const double y = x / 1024;
  double sum = 1;
  for (int i = 8; i >= 1; --i) sum = 1 + y * sum / i;
  for (int i = 0; i < 10; ++i) sum *= sum;
  return sum;
}

double ExactLog(double x) {
  int exponent = 0;
  const double mantissa = 2 * std::frexp(x, &exponent);  // in [1, 2)
  const double z = (mantissa - 1) / (mantissa + 1);
  double sum = 0;
  for (int i = 19; i >= 0; --i) sum = sum * (z * z) + 1.0 / (2 * i + 1);
  return 2 * z * sum + (exponent - 1) * kLn2;
}

double ExactSin(double x) {
  return x * AlternatingSeries(x, 2);
}

double ExactCos(double x) {
  return AlternatingSeries(x, 1);
}

}  // namespace decant
