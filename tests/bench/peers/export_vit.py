#!/usr/bin/python3
"""Writes the vision tower of torch_vit.py, random weights, as FOLDER/vit-f32.onnx and FOLDER/vit-int8.onnx.

    export_vit.py FOLDER

In the second the products with weights are what ONNX Runtime's dynamic quantisation makes of them: int8 weights, a
scale for each channel; activations quantised to uint8 at run time, one scale and zero point for each tensor.
"""
import sys
import warnings
import torch
from torch import nn
from torch_vit import SIZES, Tower


class QuantisedProduct(torch.autograd.Function):
    """x @ weights * scales as DynamicQuantizeLinear and MatMulInteger, which ONNX Runtime fuses."""

    @staticmethod
    def forward(context, x, weights, scales):
        return x @ (weights.float() * scales)

    @staticmethod
    def symbolic(g, x, weights, scales):
        codes, scale, zero = g.op("DynamicQuantizeLinear", x, outputs=3)
        sums = g.op("MatMulInteger", codes, weights, zero, g.op("Constant", value_t=torch.tensor(0, dtype=torch.int8)))
        product = g.op("Mul", g.op("Cast", sums, to_i=1), g.op("Mul", scale, scales))
        return product.setType(x.type().with_sizes(None))


class QuantisedLinear(nn.Module):
    def __init__(self, linear):
        super().__init__()
        scales = linear.weight.abs().amax(1) / 127
        self.weights = nn.Parameter((linear.weight / scales[:, None]).round().to(torch.int8).t().contiguous(), False)
        self.scales = nn.Parameter(scales.detach(), False)
        self.bias = linear.bias

    def forward(self, x):
        return QuantisedProduct.apply(x, self.weights, self.scales) + self.bias


def quantise(module):
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, QuantisedLinear(child))
        else:
            quantise(child)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    warnings.simplefilter("ignore") # of PyTorch about itself
    size, patch, width, layers = SIZES["ViT-B/32"]
    tower = Tower(size, patch, width, layers).eval()
    for kind in "f32", "int8":
        if kind == "int8":
            quantise(tower)
        torch.onnx.export(tower, torch.randn(2, 3, size, size), f"{sys.argv[1]}/vit-{kind}.onnx", opset_version=17,
                          input_names=["pixels"], output_names=["features"], dynamic_axes={"pixels": {0: "n"}})


if __name__ == "__main__":
    main()
