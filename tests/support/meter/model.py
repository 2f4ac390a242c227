"""A Triton Python model that is there to be watched: it answers with its input, and shows the gauges of TensorRT-LLM's
backends with the values that its parameter ``gauges`` names (family, kind=value …).

It runs only inside Triton.
"""

import json

import triton_python_backend_utils as pb_utils

LABELS = {"nv_trt_llm_request_metrics": "request_type", "nv_trt_llm_kv_cache_block_metrics": "kv_cache_block_type"}


class TritonPythonModel:
    def initialize(self, args):
        parameters = json.loads(args["model_config"])["parameters"]
        gauges = json.loads(parameters["gauges"]["string_value"])
        self.kept = []  # Triton drops a gauge with its object
        for name, values in gauges.items():
            family = pb_utils.MetricFamily(name=name, description="of a test", kind=pb_utils.MetricFamily.GAUGE)
            self.kept.append(family)
            for kind, value in values.items():
                labels = {"model": args["model_name"], "version": args["model_version"], LABELS[name]: kind}
                metric = family.Metric(labels=labels)
                metric.set(value)
                self.kept.append(metric)

    def execute(self, requests):
        return [
            pb_utils.InferenceResponse(
                [pb_utils.Tensor("out", pb_utils.get_input_tensor_by_name(request, "in").as_numpy())]
            )
            for request in requests
        ]
