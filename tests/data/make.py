"""Makes the files of this folder, as exporters write them: `python tests/data/make.py` with torch and skl2onnx.

The tests read the files; they do not run this.
"""

import io
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

FOLDER = Path(__file__).resolve().parent
warnings.simplefilter("ignore")


class Residual(nn.Module):
    """Batch normalization, depthwise, a residual, activations of many kinds, a view with a computed size."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.Hardswish())
        self.depthwise = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.ReLU6())
        self.point = nn.Conv2d(6, 6, 1)
        self.pad = nn.ZeroPad2d((0, 1, 0, 1))
        self.down = nn.Conv2d(6, 8, 3, stride=2)
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = torch.relu(x + self.point(self.depthwise(x)))
        x = nn.functional.silu(self.down(self.pad(x)))
        x = nn.functional.adaptive_avg_pool2d(x, 1)
        return self.head(x.view(x.size(0), -1))


class Activations(nn.Module):
    """What older opsets write as chains."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Linear(12, 10), nn.Linear(10, 10), nn.Linear(10, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.gelu(self.first(x))
        x = nn.functional.gelu(self.second(x), approximate="tanh")
        return nn.functional.mish(nn.functional.hardsigmoid(self.third(x)))


class Convolution1d(nn.Module):
    """One dimension: strides, a grouped Conv, max pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(2, 6, 5, stride=2, padding=2),
            nn.LeakyReLU(0.1),
            nn.MaxPool1d(2),
            nn.Conv1d(6, 8, 3, groups=2),
            nn.ReLU(),
            nn.AdaptiveAvgPool1d(1),
            nn.Flatten(),
            nn.Linear(8, 3),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.layers(x)
        return result


NETS = {"residual": (Residual, (3, 12, 12)), "activations": (Activations, (12,)), "conv1d": (Convolution1d, (2, 32))}


def torch_files() -> None:
    for name, (make, shape) in NETS.items():
        torch.manual_seed(len(name))
        net = make()
        for layer in net.modules():
            if isinstance(layer, nn.BatchNorm2d):
                nn.init.uniform_(layer.weight, 0.5, 1.5)
                nn.init.normal_(layer.bias, 0, 0.2)
                nn.init.uniform_(layer.running_var, 0.5, 1.5)
        net.eval()
        sample = torch.zeros(1, *shape)
        program = torch.onnx.export(net, (sample,), dynamo=True, input_names=["x"], verbose=False)
        model = program.model_proto
        onnx.save(stripped(model), FOLDER / f"torch_dynamo_{name}.onnx")
        for opset in (9, 11, 17):
            buffer = io.BytesIO()
            try:
                torch.onnx.export(
                    net,
                    (sample,),
                    buffer,
                    dynamo=False,
                    opset_version=opset,
                    input_names=["x"],
                    output_names=["y"],
                    dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}},
                )
            except Exception as error:  # exporters raise what they like; the rest is exported all the same
                print(f"{name}, opset {opset}: {str(error).splitlines()[0]}")
                continue
            onnx.save(stripped(onnx.load_from_string(buffer.getvalue())), FOLDER / f"torch_{opset}_{name}.onnx")


def stripped(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model without the paths and stack traces of the machine that made it."""
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in [*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer]:
        value.doc_string = ""
        if hasattr(value, "metadata_props"):
            del value.metadata_props[:]
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    return model


def scikit_learn_files() -> None:
    from skl2onnx import to_onnx
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    random = np.random.default_rng(0)
    features = random.normal(size=(200, 9)).astype(np.float32)
    target = features[:, :4].argmax(axis=1)
    classifier = MLPClassifier((12,), max_iter=60, random_state=0).fit(features, target)
    model = to_onnx(classifier, features[:1], options={"zipmap": False}, target_opset=17)
    onnx.save(model, FOLDER / "sklearn_mlp_classifier.onnx")
    regressor = MLPRegressor(hidden_layer_sizes=(12, 6), activation="tanh", max_iter=60, random_state=0)
    model = to_onnx(regressor.fit(features, features[:, 0] * features[:, 1]), features[:1], target_opset=17)
    onnx.save(model, FOLDER / "sklearn_mlp_regressor.onnx")


if __name__ == "__main__":
    torch_files()
    scikit_learn_files()
