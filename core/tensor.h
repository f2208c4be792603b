// core: tensors and what computes on them: memory, loops, gemm, FFT, convolutions, random numbers,
// files (core/README.md lists the rooms). Nothing in this folder knows a gradient.
//
// Tensor: a shared handle to a contiguous, row-major array with a shape (at most 5 sizes), an
// element type known at run time, and a device. Copying a Tensor copies no data. There are no
// strides: reshape() is a view, every other rearrangement copies, every kernel is a plain loop.
// An op does not change its inputs. What training keeps is changed in place: parameters, gradients,
// running statistics, averages.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <span>
#include <vector>

#include "core/check.h"
#include "core/complex.h"
#include "core/device.h"

namespace skiff {

enum class DType { Float32, Float64, Complex64, Complex128, Int32 };

const char* name_of(DType dtype);   // "float32"
int64_t bytes_of(DType dtype);      // of one element
bool is_real(DType dtype);          // float32 or float64
bool is_complex(DType dtype);       // complex64 or complex128
DType real_part_type(DType dtype);  // complex64 -> float32, float32 -> float32
DType complex_type(DType dtype);    // float32 -> complex64

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::Float32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::Float64;
};
template <>
struct DTypeOf<Complex<float>> {
  static constexpr DType value = DType::Complex64;
};
template <>
struct DTypeOf<Complex<double>> {
  static constexpr DType value = DType::Complex128;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = DType::Int32;
};

// Sizes of a tensor, outermost first. A negative axis counts from the end.
class Shape {
 public:
  static constexpr int kMaxRank = 5;
  Shape() = default;
  Shape(std::initializer_list<int64_t> sizes) : Shape(std::span(sizes.begin(), sizes.size())) {}
  explicit Shape(std::span<const int64_t> sizes);

  int rank() const { return rank_; }
  int64_t operator[](int axis) const { return sizes_[size_t(axis_index(axis))]; }
  int axis_index(int64_t axis) const;            // 0 .. rank-1, or an error
  int64_t size() const;                          // number of elements
  Shape with(int64_t axis, int64_t size) const;  // a copy with one size replaced
  Shape first(int count) const;                  // the first `count` sizes
  Shape last(int count) const;                   // the last `count` sizes
  bool ends_with(const Shape& suffix) const;     // suffix broadcasting
  const int64_t* begin() const { return sizes_.data(); }
  const int64_t* end() const { return sizes_.data() + rank_; }
  bool operator==(const Shape& other) const;

 private:
  std::array<int64_t, kMaxRank> sizes_{};
  int rank_ = 0;
};
std::ostream& operator<<(std::ostream& out, const Shape& shape);  // (8, 512, 64)

Shape concat(const Shape& a, const Shape& b);

class Tensor {
 public:
  Tensor() = default;                                             // empty: no storage
  Tensor(Shape shape, DType dtype, Device device = Device::CPU);  // uninitialised

  explicit operator bool() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  int rank() const { return shape_.rank(); }
  int64_t size() const { return storage_ ? shape_.size() : 0; }  // number of elements
  int64_t size(int64_t axis) const { return shape_[int(axis)]; }
  DType dtype() const { return dtype_; }
  Device device() const { return device_; }
  bool is_real() const { return skiff::is_real(dtype_); }
  bool is_complex() const { return skiff::is_complex(dtype_); }
  int64_t bytes() const { return size() * bytes_of(dtype_); }

  // First element. T must be the element type.
  template <class T>
  T* data() {
    check_type(DTypeOf<T>::value);
    return static_cast<T*>(raw());
  }
  template <class T>
  const T* data() const {
    check_type(DTypeOf<T>::value);
    return static_cast<const T*>(raw());
  }
  void* raw();
  const void* raw() const;

  Tensor reshape(Shape shape) const;  // a view of the same storage
  Tensor clone() const;               // a copy
  Tensor to(DType dtype) const;       // converted; the same tensor when nothing changes
  Tensor to(Device device) const;     // moved; the same tensor when nothing changes
  bool shares_storage(const Tensor& other) const { return storage_ == other.storage_; }
  bool is_sole() const { return storage_.use_count() == 1; }  // no other Tensor shares its memory

  // Gives the memory back while the handles stay: to read or write through any of them is an error
  // until remember(), which takes the memory of an equal tensor that nobody else holds.
  void forget();
  void remember(Tensor again);

 private:
  friend class ChangeMark;
  struct Storage;
  void check_type(DType wanted) const;
  void check_readable() const;

  std::shared_ptr<Storage> storage_;
  Shape shape_;
  DType dtype_ = DType::Float32;
  Device device_ = Device::CPU;
};
std::ostream& operator<<(std::ostream& out, const Tensor& tensor);  // float32 (8, 512, 64)

// Tells whether a tensor was written after the mark was made, through this handle or another one,
// without keeping it alive. To ask a Tensor that is not const for its data() or raw() counts as
// writing; what is written through a pointer from before the mark is not noticed.
class ChangeMark {
 public:
  ChangeMark() = default;
  explicit ChangeMark(const Tensor& x);
  bool changed() const;  // false when the tensor is gone

 private:
  std::weak_ptr<const Tensor::Storage> storage_;
  uint32_t writes_ = 0;
};

Tensor zeros(Shape shape, DType dtype, Device device = Device::CPU);
Tensor full(Shape shape, double value, DType dtype, Device device = Device::CPU);
Tensor empty_like(const Tensor& x);
Tensor zeros_like(const Tensor& x);
Tensor tensor_of(const std::vector<double>& values, Shape shape, DType dtype = DType::Float64);
Tensor tensor_of(const std::vector<int32_t>& values, Shape shape);
std::vector<double> to_vector(const Tensor& x);  // real or int32; complex as re, im, re, im ...
double item(const Tensor& x);                    // the value of a tensor with one real element
bool all_finite(const Tensor& x);                // no NaN, no infinity; true for int32

// x seen as (outer, n, inner) around one axis. Rows that run along the axis are `inner` apart.
struct AxisView {
  int64_t outer, n, inner;
};
AxisView axis_view(const Shape& shape, int64_t axis);
inline AxisView axis_view(const Tensor& x, int64_t axis) { return axis_view(x.shape(), axis); }

// Runs body.operator()<T>() with T = float or double, the real scalar of x.
template <class Body>
void dispatch(const Tensor& x, const Body& body) {
  switch (real_part_type(x.dtype())) {
    case DType::Float32:
      return body.template operator()<float>();
    case DType::Float64:
      return body.template operator()<double>();
    default:
      fail("dispatch: a floating point tensor is needed, got ", name_of(x.dtype()));
  }
}

}  // namespace skiff
