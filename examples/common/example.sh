# For the `run` scripts of the examples. Installs what is needed and builds onnxc; then
#   compile MODEL FLAG...      compiles MODEL.onnx of the example to C
#   build SOURCE...            builds main.c with the compiled models and these files of common/
# in build/examples/NAME, where the program, $program, is.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
name=$(basename "$here")
cd "$here/../.."
out=build/examples/$name
program=$out/$name
models=

.ci/deps build
cmake --preset release
cmake --build --preset release --target onnxc onnxc_rt
mkdir -p "$out"

compile() {
  model=$1
  shift
  build/release/onnxc compile "examples/$name/$model.onnx" --name "$model" -o "$out" "$@"
  models="$models $out/$model.c"
}

build() {
  for source; do
    models="$models examples/common/$source"
  done
  # shellcheck disable=SC2086
  ${CC:-cc} -O2 -Iruntime -Iexamples/common -I"$out" "examples/$name/main.c" $models \
    build/release/libonnxc_rt.a -lm -o "$program"
}
