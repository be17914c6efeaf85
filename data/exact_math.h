#pragma once

namespace decant {

// Functions of the math library with the same bits on every machine: sums, products and quotients in a fixed order.
// Formulas: docs/randomness.md.

// e^x for |x| <= 16, with a relative error below 10^-12.
double ExactExp(double x);
// The natural logarithm of x > 0, as exact as ExactExp.
double ExactLog(double x);
// Sine and cosine of |x| <= 1.
double ExactSin(double x);
double ExactCos(double x);

}  // namespace decant
