// Where a tensor lives. There is one GPU.
#pragma once

namespace skiff {
enum class Device { CPU, CUDA };
}
