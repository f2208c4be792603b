#include "core/tensor.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <ostream>

#include "core/memory.h"

namespace skiff {

const char* name_of(DType dtype) {
  switch (dtype) {
    case DType::Float32:
      return "float32";
    case DType::Float64:
      return "float64";
    case DType::Complex64:
      return "complex64";
    case DType::Complex128:
      return "complex128";
    case DType::Int32:
      return "int32";
  }
  return "?";
}

int64_t bytes_of(DType dtype) {
  switch (dtype) {
    case DType::Float32:
    case DType::Int32:
      return 4;
    case DType::Float64:
    case DType::Complex64:
      return 8;
    case DType::Complex128:
      return 16;
  }
  return 0;
}

bool is_real(DType dtype) { return dtype == DType::Float32 || dtype == DType::Float64; }
bool is_complex(DType dtype) { return dtype == DType::Complex64 || dtype == DType::Complex128; }

DType real_part_type(DType dtype) {
  if (dtype == DType::Complex64) return DType::Float32;
  if (dtype == DType::Complex128) return DType::Float64;
  return dtype;
}

DType complex_type(DType dtype) {
  if (dtype == DType::Float32) return DType::Complex64;
  if (dtype == DType::Float64) return DType::Complex128;
  check(is_complex(dtype), "complex_type: a floating point type is needed, got ", name_of(dtype));
  return dtype;
}

// ---- Shape ----

Shape::Shape(std::span<const int64_t> sizes) {
  check(sizes.size() <= kMaxRank, "shape: at most ", kMaxRank, " axes, got ", sizes.size());
  int64_t total = 1;
  for (const int64_t size : sizes) {
    check(size >= 0, "shape: sizes must not be negative, got ", size);
    check(!__builtin_mul_overflow(total, size == 0 ? 1 : size, &total) &&
              total <= std::numeric_limits<int64_t>::max() / 16,
          "shape: too many elements: the sizes up to ", size, " have more than 2^59");
    sizes_[size_t(rank_++)] = size;
  }
}

int Shape::axis_index(int64_t axis) const {
  const int64_t index = axis < 0 ? axis + rank_ : axis;
  check(index >= 0 && index < rank_, "shape: axis ", axis, " does not exist in ", *this);
  return int(index);
}

int64_t Shape::size() const {
  int64_t total = 1;
  for (const int64_t size : *this) total *= size;
  return total;
}

Shape Shape::with(int64_t axis, int64_t size) const {
  std::array<int64_t, kMaxRank> sizes = sizes_;
  sizes[size_t(axis_index(axis))] = size;
  return Shape(std::span<const int64_t>(sizes.data(), size_t(rank_)));  // checks the product again
}

Shape Shape::first(int count) const { return Shape(std::span(begin(), begin() + count)); }
Shape Shape::last(int count) const { return Shape(std::span(end() - count, end())); }

bool Shape::ends_with(const Shape& suffix) const {
  return suffix.rank_ <= rank_ && last(suffix.rank_) == suffix;
}

bool Shape::operator==(const Shape& other) const {
  if (rank_ != other.rank_) return false;
  for (int i = 0; i < rank_; ++i)
    if (sizes_[size_t(i)] != other.sizes_[size_t(i)]) return false;
  return true;
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  out << '(';
  for (int i = 0; i < shape.rank(); ++i) out << (i ? ", " : "") << shape[i];
  return out << ')';
}

Shape concat(const Shape& a, const Shape& b) {
  std::vector<int64_t> sizes(a.begin(), a.end());
  sizes.insert(sizes.end(), b.begin(), b.end());
  return Shape(std::span<const int64_t>(sizes));
}

AxisView axis_view(const Shape& shape, int64_t axis) {
  const int at = shape.axis_index(axis);
  AxisView view{1, shape[at], 1};
  for (int i = 0; i < at; ++i) view.outer *= shape[i];
  for (int i = at + 1; i < shape.rank(); ++i) view.inner *= shape[i];
  return view;
}

// ---- Tensor ----

struct Tensor::Storage {
  Device device;
  size_t bytes;
  void* block;
  bool forgotten = false;
  std::atomic<uint32_t> writes{0};  // how often a pointer for writing was taken
  Storage(Device device, size_t bytes)
      : device(device), bytes(bytes), block(memory::allocate(device, bytes)) {}
  ~Storage() { give_back(); }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
  void give_back() {
    if (!forgotten) memory::release(device, block, bytes);
    forgotten = true;
  }
};

Tensor::Tensor(Shape shape, DType dtype, Device device)
    : storage_(std::make_shared<Storage>(device, size_t(shape.size() * bytes_of(dtype)))),
      shape_(shape),
      dtype_(dtype),
      device_(device) {}

void* Tensor::raw() {
  check_readable();
  // Load and store, not a locked increment: when two threads write at once, a count may get lost,
  // which does no harm.
  storage_->writes.store(storage_->writes.load(std::memory_order_relaxed) + 1,
                         std::memory_order_relaxed);
  return storage_->block;
}
const void* Tensor::raw() const {
  check_readable();
  return storage_->block;
}

void Tensor::check_readable() const {
  check(storage_ != nullptr, "tensor: this tensor is empty");
  check(!storage_->forgotten, "tensor: ", *this, " is read while its memory is given back");
}

void Tensor::forget() {
  check(storage_ != nullptr, "forget: this tensor is empty");
  storage_->give_back();
}

void Tensor::remember(Tensor again) {
  check(storage_ != nullptr && storage_->forgotten, "remember: ", *this, " was not forgotten");
  check(again && !again.storage_->forgotten && again.storage_->bytes == storage_->bytes &&
            again.dtype_ == dtype_ && again.device_ == device_ && again.is_sole(),
        "remember: a tensor of its own like ", *this, " is needed, got ", again);
  storage_->block = again.storage_->block;
  storage_->forgotten = false;
  again.storage_->forgotten = true;  // so that its end leaves the memory alone
}

void Tensor::check_type(DType wanted) const {
  check(wanted == dtype_, "tensor: asked for ", name_of(wanted), " elements of ", *this);
}

Tensor Tensor::reshape(Shape shape) const {
  check(storage_ != nullptr, "reshape: this tensor is empty");
  check(shape.size() == size(), "reshape: ", shape, " has another number of elements than ", *this);
  Tensor view = *this;
  view.shape_ = shape;
  return view;
}

Tensor Tensor::clone() const {
  if (!storage_) return {};
  Tensor copy(shape_, dtype_, device_);
  memory::copy(device_, copy.raw(), device_, raw(), size_t(bytes()));
  return copy;
}

namespace {
template <class To, class From>
void convert(To* to, const From* from, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = To(from[i]);
}
}  // namespace

Tensor Tensor::to(DType dtype) const {
  if (dtype == dtype_ || !storage_) return *this;
  check(is_complex() == skiff::is_complex(dtype), "to: no conversion of ", *this, " to ",
        name_of(dtype));
  if (device_ != Device::CPU) return to(Device::CPU).to(dtype).to(device_);
  Tensor result(shape_, dtype, device_);
  const int64_t n = size() * (is_complex() ? 2 : 1);
  const auto from = [&]<class To>(To* out) {
    switch (real_part_type(dtype_)) {
      case DType::Float32:
        return convert(out, static_cast<const float*>(raw()), n);
      case DType::Float64:
        return convert(out, static_cast<const double*>(raw()), n);
      default:
        return convert(out, static_cast<const int32_t*>(raw()), n);
    }
  };
  switch (real_part_type(dtype)) {
    case DType::Float32:
      from(static_cast<float*>(result.raw()));
      break;
    case DType::Float64:
      from(static_cast<double*>(result.raw()));
      break;
    default:
      from(static_cast<int32_t*>(result.raw()));
  }
  return result;
}

Tensor Tensor::to(Device device) const {
  if (device == device_ || !storage_) return *this;
  Tensor result(shape_, dtype_, device);
  memory::copy(device, result.raw(), device_, raw(), size_t(bytes()));
  return result;
}

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) {
  if (!tensor) return out << "an empty tensor";
  out << name_of(tensor.dtype()) << ' ' << tensor.shape();
  if (tensor.device() == Device::CUDA) out << " on cuda";
  return out;
}

ChangeMark::ChangeMark(const Tensor& x)
    : storage_(x.storage_), writes_(x ? x.storage_->writes.load(std::memory_order_relaxed) : 0) {}

bool ChangeMark::changed() const {
  const std::shared_ptr<const Tensor::Storage> storage = storage_.lock();
  return storage && storage->writes.load(std::memory_order_relaxed) != writes_;
}

Tensor zeros(Shape shape, DType dtype, Device device) {
  Tensor x(shape, dtype, device);
  memory::fill_zero(device, x.raw(), size_t(x.bytes()));
  return x;
}

Tensor full(Shape shape, double value, DType dtype, Device device) {
  check(is_real(dtype), "full: a real type is needed, got ", name_of(dtype));
  Tensor x(shape, dtype);
  if (dtype == DType::Float32)
    std::fill_n(x.data<float>(), x.size(), float(value));
  else
    std::fill_n(x.data<double>(), x.size(), value);
  return x.to(device);
}

Tensor empty_like(const Tensor& x) { return Tensor(x.shape(), x.dtype(), x.device()); }
Tensor zeros_like(const Tensor& x) { return zeros(x.shape(), x.dtype(), x.device()); }

Tensor tensor_of(const std::vector<double>& values, Shape shape, DType dtype) {
  const int64_t reals = shape.size() * (is_complex(dtype) ? 2 : 1);
  check(int64_t(values.size()) == reals, "tensor_of: ", shape, " of ", name_of(dtype), " needs ",
        reals, " numbers, got ", values.size());
  const bool is_complex_type = is_complex(dtype);
  Tensor x(shape, is_complex_type ? DType::Complex128 : DType::Float64);
  std::copy(values.begin(), values.end(), static_cast<double*>(x.raw()));
  return x.to(dtype);
}

Tensor tensor_of(const std::vector<int32_t>& values, Shape shape) {
  check(int64_t(values.size()) == shape.size(), "tensor_of: ", shape, " needs ", shape.size(),
        " numbers, got ", values.size());
  Tensor x(shape, DType::Int32);
  std::copy(values.begin(), values.end(), x.data<int32_t>());
  return x;
}

std::vector<double> to_vector(const Tensor& x) {
  const Tensor wide = x.to(Device::CPU).to(x.is_complex() ? DType::Complex128 : DType::Float64);
  const double* values = static_cast<const double*>(wide.raw());
  return {values, values + x.size() * (x.is_complex() ? 2 : 1)};
}

double item(const Tensor& x) {
  check(x && x.size() == 1 && !x.is_complex(), "item: one real element is needed, got ", x);
  return to_vector(x)[0];
}

namespace {
template <class T>
bool finite_values(const T* values, int64_t n) {
  // The exponent of a NaN or infinity is all ones, so x - x is NaN for exactly those.
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += values[i] - values[i];
  return sum == T(0);
}
}  // namespace

bool all_finite(const Tensor& x) {
  if (!x || x.dtype() == DType::Int32) return true;
  const Tensor host = x.to(Device::CPU);
  const int64_t n = x.size() * (x.is_complex() ? 2 : 1);
  if (real_part_type(x.dtype()) == DType::Float32)
    return finite_values(static_cast<const float*>(host.raw()), n);
  return finite_values(static_cast<const double*>(host.raw()), n);
}

}  // namespace skiff
