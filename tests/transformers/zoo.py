"""The Transformer family and its relatives: the classes of the `transformers` package and
torch.nn.Transformer at reduced size, and convolutional networks. MODELS lists them, one row each.

All weights are random and nothing is downloaded.
"""
import sys
from collections import namedtuple
from pathlib import Path

import torch
import transformers
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "examples/pytorch"))
import convnets  # noqa: E402
import models  # noqa: E402
from models import Input  # noqa: E402

# What users do who export: TorchScript has no name for the fused encoder layer.
torch.backends.mha.set_fastpath_enabled(False)

DIM, HEADS, LAYERS, VOCABULARY, POSITIONS = 32, 4, 2, 97, 64

# How the configurations of most families call their sizes.
SIZES = dict(vocab_size=VOCABULARY, hidden_size=DIM, num_hidden_layers=LAYERS,
             num_attention_heads=HEADS, intermediate_size=2 * DIM,
             max_position_embeddings=POSITIONS, pad_token_id=0)
GATED = dict(SIZES, num_key_value_heads=2, head_dim=8)
SEQ2SEQ = dict(vocab_size=VOCABULARY, d_model=DIM, encoder_layers=LAYERS, decoder_layers=LAYERS,
               encoder_attention_heads=HEADS, decoder_attention_heads=HEADS,
               encoder_ffn_dim=2 * DIM, decoder_ffn_dim=2 * DIM,
               max_position_embeddings=POSITIONS, pad_token_id=0)
MLA = dict(SIZES, q_lora_rank=16, kv_lora_rank=16, qk_nope_head_dim=8, qk_rope_head_dim=4,
           v_head_dim=8, n_routed_experts=4, n_shared_experts=1, num_experts_per_tok=2,
           moe_intermediate_size=16, num_key_value_heads=HEADS)
MIXED = dict(MLA, first_k_dense_replace=1, n_group=2, topk_group=1)
PICTURE = dict(image_size=32, patch_size=8, hidden_size=DIM, num_hidden_layers=LAYERS,
               num_attention_heads=HEADS, intermediate_size=2 * DIM)

# Token inputs. A mask is 1 up to a random length and 0 behind it.
TOKENS = Input("input_ids", ("batch", "seq"), VOCABULARY)
MASK = Input("attention_mask", ("batch", "seq"), "mask")
TYPES = Input("token_type_ids", ("batch", "seq"), 2)
DECODER = Input("decoder_input_ids", ("batch", "target_seq"), VOCABULARY)
DECODER_MASK = Input("decoder_attention_mask", ("batch", "target_seq"), "mask")
TEXT = (TOKENS, MASK)
TEXT_PAIR = (TOKENS, MASK, TYPES)
TRANSLATION = (TOKENS, MASK, DECODER)


def pixels(size, name="pixel_values"):
    return (Input(name, ("batch", 3, size, size)),)


class Named(nn.Module):
    """A model of the package behind positional inputs, with some members of its output."""

    def __init__(self, model, inputs, outputs, options):
        super().__init__()
        self.model, self.options = model, options
        self.inputs, self.outputs = [spec.name for spec in inputs], outputs

    def forward(self, *inputs):
        result = self.model(**dict(zip(self.inputs, inputs)), **self.options)
        return tuple(getattr(result, name) for name in self.outputs)


# A model: how to build it, its inputs and outputs.
Model = namedtuple("Model", "build inputs outputs", defaults=(("y",),))


def hf(family, head, config, inputs, outputs, options=None, **kinds):
    """A model of the package: its class is family + head, its configuration family + Config.
    `options` are constant arguments of its call, `kinds` choose implementations of its parts."""
    def build():
        settings = getattr(transformers, family + "Config")(**config)
        cls = getattr(transformers, family + head)
        model = cls._from_config(settings, **kinds)
        return Named(model, inputs, outputs, options or {})
    return Model(build, inputs, outputs)


def encoder(family, config=None, inputs=TEXT, outputs=("last_hidden_state",), **rest):
    return hf(family, "Model", dict(SIZES, **(config or {})), inputs, outputs, **rest)


def decoder(family, config, inputs=TEXT, head="ForCausalLM", **rest):
    return hf(family, head, config, inputs, ("logits",), dict(use_cache=False), **rest)


class TorchTransformer(nn.Module):
    """torch.nn.Transformer, whose decoder masks the future."""

    def __init__(self, norm_first=False):
        super().__init__()
        self.transformer = nn.Transformer(DIM, HEADS, LAYERS, LAYERS, 2 * DIM, batch_first=True,
                                          norm_first=norm_first)

    def forward(self, source, target):
        return self.transformer(source, target, tgt_mask=models.causal_mask(target),
                                tgt_is_causal=True)


TORCH_INPUTS = (Input("source", ("batch", "seq", DIM)), Input("target", ("batch", "target_seq", DIM)))

MODELS = dict(
    # Encoders, post-norm unless said otherwise.
    bert=encoder("Bert", inputs=TEXT_PAIR, outputs=("last_hidden_state", "pooler_output")),
    bert_eager=encoder("Bert", inputs=TEXT_PAIR, attn_implementation="eager"),
    roberta=encoder("Roberta"),
    distilbert=encoder("DistilBert", dict(dim=DIM, n_layers=LAYERS, n_heads=HEADS,
                                          hidden_dim=2 * DIM)),
    albert=encoder("Albert", dict(embedding_size=16), inputs=TEXT_PAIR),
    deberta_v2=encoder("DebertaV2", dict(
        relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=8, share_att_key=True,
        norm_rel_ebd="layer_norm", max_relative_positions=-1, conv_kernel_size=0)),
    electra=encoder("Electra", dict(embedding_size=16), inputs=TEXT_PAIR),
    mpnet=encoder("MPNet"),
    # Decoders.
    gpt2=decoder("GPT2", dict(vocab_size=VOCABULARY, n_embd=DIM, n_layer=LAYERS, n_head=HEADS,
                              n_positions=POSITIONS), head="LMHeadModel"),
    gpt2_eager=decoder("GPT2", dict(vocab_size=VOCABULARY, n_embd=DIM, n_layer=LAYERS, n_head=HEADS,
                                    n_positions=POSITIONS), head="LMHeadModel",
                       attn_implementation="eager"),
    gpt_neox=decoder("GPTNeoX", SIZES),
    opt=decoder("OPT", dict(SIZES, ffn_dim=2 * DIM, word_embed_proj_dim=DIM)),
    bloom=decoder("Bloom", dict(vocab_size=VOCABULARY, hidden_size=DIM, n_layer=LAYERS,
                                n_head=HEADS)),
    llama=decoder("Llama", GATED),
    llama_unmasked=decoder("Llama", GATED, (TOKENS,)),
    llama_eager=decoder("Llama", GATED, attn_implementation="eager"),
    mistral=decoder("Mistral", dict(GATED, sliding_window=4)),
    qwen2=decoder("Qwen2", dict(GATED)),
    gemma2=decoder("Gemma2", dict(GATED, sliding_window=4, query_pre_attn_scalar=8,
                                  attn_logit_softcapping=5.0, final_logit_softcapping=8.0)),
    phi=decoder("Phi", dict(SIZES, qk_layernorm=True)),
    falcon=decoder("Falcon", dict(SIZES, multi_query=True)),
    deepseek_v2=decoder("DeepseekV2", dict(MLA, first_k_dense_replace=LAYERS)),
    deepseek_v3=decoder("DeepseekV3", MIXED),
    deepseek_v3_batched=decoder("DeepseekV3", MIXED, experts_implementation="batched_mm"),
    deepseek_v3_dense=decoder("DeepseekV3", dict(MLA, first_k_dense_replace=LAYERS)),
    # Encoders with decoders.
    t5=hf("T5", "ForConditionalGeneration",
          dict(vocab_size=VOCABULARY, d_model=DIM, d_kv=8, d_ff=2 * DIM, num_layers=LAYERS,
               num_heads=HEADS, relative_attention_num_buckets=8,
               relative_attention_max_distance=16),
          TRANSLATION, ("logits",), dict(use_cache=False)),
    bart=hf("Bart", "ForConditionalGeneration", SEQ2SEQ, TRANSLATION, ("logits",),
            dict(use_cache=False)),
    marian=hf("Marian", "MTModel", dict(SEQ2SEQ, decoder_start_token_id=1), TRANSLATION,
              ("logits",), dict(use_cache=False)),
    whisper=hf("Whisper", "ForConditionalGeneration",
               dict({key: value for key, value in SEQ2SEQ.items()
                     if key != "max_position_embeddings"},
                    num_mel_bins=16, max_source_positions=12, max_target_positions=POSITIONS,
                    bos_token_id=1, eos_token_id=2, decoder_start_token_id=1),
               (Input("input_features", ("batch", 16, 24)), DECODER, DECODER_MASK), ("logits",),
               dict(use_cache=False)),
    torch_transformer=Model(TorchTransformer, TORCH_INPUTS),
    torch_transformer_pre=Model(lambda: TorchTransformer(True), TORCH_INPUTS),
    # Pictures and sound.
    vit=hf("ViT", "Model", PICTURE, pixels(32), ("last_hidden_state",)),
    deit=hf("DeiT", "ForImageClassificationWithTeacher", PICTURE, pixels(32), ("logits",)),
    swin=hf("Swin", "Model", dict(image_size=32, patch_size=2, embed_dim=16, depths=[2, 2],
                                  num_heads=[2, 4], window_size=4), pixels(32),
            ("last_hidden_state", "pooler_output")),
    convnext=hf("ConvNext", "Model", dict(depths=[1, 1, 2, 1], hidden_sizes=[8, 16, 24, 32]),
                pixels(32), ("last_hidden_state", "pooler_output")),
    segformer=hf("Segformer", "ForSemanticSegmentation",
                 dict(num_encoder_blocks=3, depths=[1, 2, 1], sr_ratios=[4, 2, 1],
                      hidden_sizes=[8, 16, 32], num_attention_heads=[1, 2, 4],
                      patch_sizes=[7, 3, 3], strides=[4, 2, 2], mlp_ratios=[2, 2, 2],
                      decoder_hidden_size=32, num_labels=5),
                 pixels(32), ("logits",)),
    clip=hf("CLIP", "Model",
            dict(text_config=dict(SIZES, projection_dim=16, bos_token_id=1, eos_token_id=2),
                 vision_config=dict(PICTURE, projection_dim=16), projection_dim=16),
            (Input("input_ids", ("texts", "seq"), VOCABULARY), *pixels(32),
             Input("attention_mask", ("texts", "seq"), "mask")),
            ("logits_per_image", "text_embeds", "image_embeds")),
    wav2vec2=hf("Wav2Vec2", "Model",
                dict(hidden_size=DIM, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
                     intermediate_size=2 * DIM, conv_dim=[16] * 3, conv_stride=[5, 2, 2],
                     conv_kernel=[10, 3, 2], num_conv_pos_embeddings=8,
                     num_conv_pos_embedding_groups=4, num_feat_extract_layers=3),
                (Input("input_values", ("batch", "samples")),), ("last_hidden_state",)),
    # Convolutional networks, and one of gates.
    resnet50=Model(models.ResNet50, pixels(64, "image")),
    densenet121=Model(lambda: models.DenseNet(depths=(6, 12, 24, 16)), pixels(32, "image")),
    mobilenet_v2=Model(convnets.MobileNetV2, pixels(64, "image")),
    efficientnet_b0=Model(convnets.EfficientNetB0, pixels(64, "image")),
    unet=Model(convnets.UNet, pixels(32, "image")),
    highway=Model(models.Highway, (Input("x", ("batch", "seq", DIM)),)),
)

# What does not export, with a part of PyTorch's message.
FAILURES = {
    "deepseek_v2_dynamo": "No decompositions registered for the complex-valued input",
    "deepseek_v2_torchscript": "'aten::polar' to ONNX opset version 17 is not supported",
    "deepseek_v3_dynamo": "transformers.grouped_mm_fallback",
    "deepseek_v3_torchscript": "'aten::histc' to ONNX opset version 17 is not supported",
    "llama_unmasked_torchscript": "'aten::diff' to ONNX opset version 17 is not supported",
}
# Dimensions that an exporter fixes, whatever it is told.
FIXED = {
    "torch_transformer_torchscript": ("seq", "target_seq"),
    "torch_transformer_pre_torchscript": ("seq", "target_seq"),
}


def randomise(module):
    """Weights that keep the size of what passes through, and nothing left at 0 or 1."""
    for parameter in module.parameters():
        if parameter.dim() < 2:
            parameter.add_(0.2 * torch.randn_like(parameter))
        else:
            parameter.normal_(0, parameter[0].numel() ** -0.5)
    for part in module.modules():
        if isinstance(part, nn.Embedding):
            part.weight.normal_(0, 0.5)
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.5)
            part.running_var.uniform_(0.5, 1.5)


def build(name):
    """The model in eval mode, with seeded random weights."""
    torch.manual_seed(0)
    module = MODELS[name].build().eval()
    with torch.no_grad():
        randomise(module)
    return module


def random_input(spec, sizes, generator):
    dims = [sizes.get(dim, dim) for dim in spec.dims]
    if spec.values == "normal":
        return torch.randn(dims, generator=generator)
    if spec.values == "mask":
        batch, seq = dims
        lengths = torch.randint(max(1, seq - 2), seq + 1, (batch, 1), generator=generator)
        return (torch.arange(seq)[None] < lengths).long()
    return torch.randint(1, spec.values, dims, generator=generator) if spec.values > 2 else \
        torch.randint(spec.values, dims, generator=generator)


def make_inputs(name, sizes, seed):
    """Random inputs of a model, with sizes for its named dimensions."""
    generator = torch.Generator().manual_seed(seed)
    return tuple(random_input(spec, sizes, generator) for spec in MODELS[name].inputs)
