// Complex<T>: two neighbouring reals, re then im, with the plain product. (std::complex recovers
// infinities in its product, which costs a branch per multiplication and does not run in a kernel.)
#pragma once

#include "core/device.h"

namespace skiff {

template <class T>
struct Complex {
  T re, im;
};

template <class T>
SKIFF_HOST_DEVICE inline Complex<T> operator+(Complex<T> a, Complex<T> b) {
  return {a.re + b.re, a.im + b.im};
}
template <class T>
SKIFF_HOST_DEVICE inline Complex<T> operator-(Complex<T> a, Complex<T> b) {
  return {a.re - b.re, a.im - b.im};
}
template <class T>
SKIFF_HOST_DEVICE inline Complex<T> operator*(Complex<T> a, Complex<T> b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
template <class T>
SKIFF_HOST_DEVICE inline Complex<T> operator*(T s, Complex<T> a) {
  return {s * a.re, s * a.im};
}
template <class T>
SKIFF_HOST_DEVICE inline Complex<T> conj(Complex<T> a) {
  return {a.re, -a.im};
}

}  // namespace skiff
